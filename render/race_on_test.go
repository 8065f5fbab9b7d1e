//go:build race

package render

// raceDetector says whether the tests are built with it.
const raceDetector = true
