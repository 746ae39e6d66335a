# Steps and iSCSI sessions for the guest scripts (. /job/lib.sh). Variables that choose the target:
#   PORTAL    HOST:PORT; 127.0.0.1 is the host's loopback
#   IQN       the target's name
#   LUN       the logical unit, 0 if not given
#   SETTINGS  lines for iscsid.conf, such as node.conn[0].iscsi.HeaderDigest=CRC32C
#   CHAP_USER CHAP_SECRET          what the target asks of an initiator, if it does
#   MUTUAL_USER MUTUAL_SECRET      what the target proves, if it does
: "${LUN:=0}" "${SETTINGS:=}" "${CHAP_USER:=}" "${MUTUAL_USER:=}"
conf=/etc/iscsi/iscsid.conf
cp $conf /run/iscsid.conf

fail() {
  echo "FAIL  $*"
  dmesg | tail -20
  exit 1
}

uptime() { cut -d ' ' -f 1 /proc/uptime; }

# step LABEL COMMAND...: runs it and prints the seconds it took; ends the script if it fails
step() {
  label=$1 from=$(uptime)
  shift
  "$@" > /run/step 2>&1 || { cat /run/step; fail "$label"; }
  echo "$from $(uptime)" "$label" | awk '{ t = $2 - $1; $1 = $2 = ""; printf "ok %6.2f s%s\n", t, $0 }'
}

not() { ! "$@"; }

# configure [SETTING...]: iscsid.conf and no records; every record made from now on has these settings
configure() {
  rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets
  { cat /run/iscsid.conf && echo && printf '%s\n' $SETTINGS "$@"; } | sed 's/=/ = /' > $conf
}

# chap USER SECRET [TARGET-USER TARGET-SECRET]: the settings for it, for sessions and discovery
chap() {
  echo "node.session.auth.chap_algs=${CHAP_ALGORITHMS:-MD5}"
  for kind in node.session discovery.sendtargets; do
    echo "$kind.auth.authmethod=CHAP"
    echo "$kind.auth.username=$1"
    echo "$kind.auth.password=$2"
    [ -z "$3" ] || echo "$kind.auth.username_in=$3"
    [ -z "$3" ] || echo "$kind.auth.password_in=$4"
  done
}

# configure_right: with what the target wants to hear
configure_right() {
  if [ -z "$CHAP_USER" ]; then configure
  elif [ -z "$MUTUAL_USER" ]; then configure $(chap "$CHAP_USER" "$CHAP_SECRET")
  else configure $(chap "$CHAP_USER" "$CHAP_SECRET" "$MUTUAL_USER" "$MUTUAL_SECRET")
  fi
}

discover() { iscsiadm -m discovery -t sendtargets -p "$PORTAL" | grep -F "$IQN"; }
node() { iscsiadm -m node -T "$IQN" -p "$PORTAL" "$@"; }
add_record() { node -o new; }
login() { node --login; }
logout() { node --logout; }

# find_disk: waits for the unit's block device and sets disk and session
find_disk() {
  tries=0
  while [ $tries -lt 100 ]; do
    for entry in /sys/class/iscsi_session/session*/device/target*/*:"$LUN"/block/*; do
      disk=/dev/${entry##*/} session=${entry%/device/*} session=${session%/device/*}
      [ -b "$disk" ] && return
    done
    usleep 100000
    tries=$((tries + 1))
  done
  echo "no disk for unit $LUN"
  return 1
}
