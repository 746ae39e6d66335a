# lunkit in the guest itself, for its open-iscsi (. /job/lunkit-here.sh). PROGRAMS: folder within /host with lunkit.js.
node=/host/node_modules/node/bin/node
PORTAL=10.0.2.15:3260

lunkit() { $node "/host/$PROGRAMS/lunkit.js" "$@"; }
mount_host() {
  modprobe -a 9pnet_virtio 9p
  mkdir -p /host
  mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host
}
until_true() { # COMMAND...: for a minute
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || return 1
    usleep 200000
  done
}
ends() { # STATUS COMMAND...
  wanted=$1
  shift
  "$@"
  [ $? = "$wanted" ]
}

# start LUN...: serves them; its words are in /run/lunkit
start() {
  : > /run/lunkit
  $node "/host/$PROGRAMS/lunkit.js" serve "$@" --portal $PORTAL --open --no-state > /run/lunkit 2>&1 &
  lunkit_pid=$!
  until_true eval 'grep -q ^Ready /run/lunkit || ! kill -0 $lunkit_pid'
  cat /run/lunkit
  IQN=$(sed -n 's/.*\(iqn[^/]*\)\/0.*/\1/p' /run/lunkit | head -1)
  grep ^Ready /run/lunkit
}
stop() { kill $lunkit_pid && wait $lunkit_pid; }
