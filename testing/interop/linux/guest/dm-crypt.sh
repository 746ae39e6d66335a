# A part of block-devices.sh: images of the filter encrypt are those of dm-crypt, and the payload of LUKS is one, too. In PROGRAMS are
# plain, key, 512.img and 4096.img, which encrypt has made of them.
new=/run/data
mapped=/dev/mapper/crypt

open_plain() { # SECTOR
  cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 512 --key-file /run/key --sector-size "$1" "/run/$1.img" crypt
}
open_luks() { cryptsetup open --key-file /run/pass /run/luks.img crypt; }
close() { cryptsetup close crypt; }
put_new() { dd if=$new of="$1" bs=64k seek="$2" count=8 oflag=direct; } # FILE AT: half a MiB
told() { cryptsetup luksDump /run/luks.img | sed -n "s/^[[:space:]]*$1: *\([0-9]*\) \[bytes\].*/\1/p"; }

umask 077
modprobe -a loop dm_crypt xts
cp "/host/$PROGRAMS/key" "/host/$PROGRAMS/plain" /run
cp /run/plain /run/wanted
dd if=$new of=/run/wanted bs=64k seek=4 count=8 conv=notrunc 2> /dev/null
for sector in 512 4096; do
  cp "/host/$PROGRAMS/$sector.img" /run
  step "dm-crypt opens what encrypt wrote in sectors of $sector" open_plain $sector
  step 'it has the bytes' cmp $mapped /run/plain
  step 'it writes others' eval 'put_new $mapped 4 && close'
done

head -c 32 /dev/urandom > /run/pass
truncate -s 20M /run/luks.img
step 'a LUKS2 image' cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /run/pass /run/luks.img
step 'dm-crypt writes to it' eval 'open_luks && put_new $mapped 0 && close'
step 'its volume key' cryptsetup luksDump -q --dump-volume-key --volume-key-file /run/volume.key --key-file /run/pass /run/luks.img
step 'where its data begins' eval 'cryptsetup luksDump /run/luks.img && [ "$(told offset)" -gt 0 ] && [ "$(told sector)" -gt 0 ]'
crypt_luns="encrypt:/run/512.img,keyfile=/run/key encrypt:/run/4096.img,keyfile=/run/key,cryptsector=4096
  encrypt:/run/luks.img,keyfile=/run/volume.key,offset=$(told offset),cryptsector=$(told sector)"

served_crypt() {
  for LUN in 2 3; do
    step "LUN $LUN appears" find_disk
    step 'encrypt reads what dm-crypt wrote' eval 'dd if="$disk" bs=64k iflag=direct | cmp - /run/wanted'
  done
  LUN=4
  step 'the LUKS image appears' find_disk
  step 'encrypt reads what dm-crypt wrote' eval 'dd if="$disk" bs=64k count=8 iflag=direct | cmp -n 524288 - $new'
  step 'and writes behind it' put_new "$disk" 16
}

reopened_crypt() {
  step 'dm-crypt opens the LUKS image as before' open_luks
  step 'and reads what encrypt wrote' eval 'dd if=$mapped bs=64k skip=16 count=8 iflag=direct | cmp -n 524288 - $new && dd if=$mapped bs=64k count=8 iflag=direct | cmp -n 524288 - $new'
  step 'close' close
}
