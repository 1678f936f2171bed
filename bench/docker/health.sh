#!/bin/bash
# What `tandem health` is told by the supervisor: the hub is ready and has its gateway.
exec 3<> /dev/tcp/127.0.0.1/7300 || exit 1
printf 'GET /api/health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
answer=$(cat <&3)
[[ $answer == *'"state":"ready"'* && $answer == *'"status":"connected"'* ]]
