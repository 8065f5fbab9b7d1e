#!/bin/sh
# count.sh FILE: prints how many words FILE holds.
set -eu
words=$(wc -w < "$1")
echo $((words))
