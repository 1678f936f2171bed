#!/bin/bash
# The careful entry point: in order, signals trapped, the end of one is the end of all, everybody awaited.
stopped=
stop() { stopped=1; kill -TERM $(jobs -p) 2> /dev/null; }
trap stop TERM INT

/rival/services.sh prepare || exit
/rival/services.sh gateway &
until /rival/services.sh gateway_ready; do
  [ -n "$stopped" ] && exit 0
  kill -0 $! 2> /dev/null || exit 1
  sleep 0.1
done
/rival/services.sh hub &

wait -n
code=$?
kill -TERM $(jobs -p) 2> /dev/null
wait
[ -n "$stopped" ] && exit 0
exit $code
