# A writer of files with checksums that goes on through whatever happens to the disk under it (. /job/writer.sh, after lib.sh).
# It writes 24 files in turn, each synchronous, in /mnt; /run/sums has the checksums of what was written.
start_writer() {
  rm -f /run/stop /run/sums /run/written
  (i=0; while [ ! -e /run/stop ]; do
    dd if=/dev/urandom of=/mnt/$i bs=64k count=16 conv=fsync 2> /dev/null || exit 1
    (cd /mnt && sha256sum $i) >> /run/sums || exit 1
    echo $i > /run/written
    i=$((i + 1)); [ $i -lt 24 ] || i=0; sed -i "/  $i\$/d" /run/sums
  done) &
  writer=$!
  written_more 2
}
# written_more N: waits until the writer has finished N more files
written_more() {
  for more in $(seq "$1"); do
    last=$(cat /run/written 2> /dev/null)
    until [ "$(cat /run/written 2> /dev/null)" != "$last" ]; do usleep 50000; kill -0 $writer || return; done
  done
}
stop_writer() { touch /run/stop && wait $writer; }
files_are_whole() { (cd /mnt && sha256sum -c /run/sums); }
