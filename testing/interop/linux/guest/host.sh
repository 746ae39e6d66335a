#!/bin/sh
# host EVENT: asks the host to do something, waits for it and ends with its status.
exec 9<> /dev/ttyS1
printf '%shost %s\n' "$MARK" "$1" >&9
read -r status <&9
exit "$status"
