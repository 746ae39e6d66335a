#!/bin/sh
# CHAP: what is wrong is refused, what is right is taken with each algorithm; then the file system.
# Variables as in lib.sh and filesystem.sh; ALGORITHMS: CHAP's, each tried alone (default MD5).
. /job/lib.sh
: "${ALGORITHMS:=MD5}"

# refused STATUS LABEL [SETTING...]: with these settings, login ends with that status of iscsiadm:
# 24 (ISCSI_ERR_LOGIN_AUTH_FAILED) if the target refuses, 19 (ISCSI_ERR_FATAL_LOGIN) if the initiator does
refused() {
  expected=$1 wrong=$2
  shift 2
  configure "$@"
  step "record for $wrong" add_record
  step "refused: $wrong" refused_login
}
refused_login() {
  login
  [ $? = "$expected" ]
}

refused 24 'no CHAP'
refused 24 'a wrong password' $(chap "$CHAP_USER" "not-$CHAP_SECRET" "$MUTUAL_USER" "$MUTUAL_SECRET")
refused 24 'a wrong user' $(chap "not-$CHAP_USER" "$CHAP_SECRET" "$MUTUAL_USER" "$MUTUAL_SECRET")
if [ -n "$MUTUAL_USER" ]; then
  refused 19 'a target with another password' $(chap "$CHAP_USER" "$CHAP_SECRET" "$MUTUAL_USER" "not-$MUTUAL_SECRET")
fi
for CHAP_ALGORITHMS in $ALGORITHMS; do
  configure_right
  step "record for $CHAP_ALGORITHMS" add_record
  step "login with $CHAP_ALGORITHMS" login
  step 'the disk appears' find_disk
  step 'logout' logout
done
exec /job/filesystem.sh
