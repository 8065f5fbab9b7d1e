// Package server is pawl's HTTP API: what the commands speak over the local
// socket, what a browser or a script reads on loopback, the webhook that pokes
// and the metrics. It decides nothing: it reads the store and passes wishes on.
//
// Whoever may open the socket (0600, and the kernel names the peer's uid) may
// read and write. The TCP address is for reading and for signed webhooks only:
// any local user, and any page in a local browser, can reach it.
package server
