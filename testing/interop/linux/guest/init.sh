#!/bin/busybox sh
# The guest's first process: file systems, network, iSCSI daemon, then the script.
# The script's output goes to the second serial port, the kernel's messages to the first.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo
exec < /dev/null > /dev/ttyS1 2>&1
export PATH=/bin HOME=/root
cd /root
. /job/environment

# The host is 10.0.2.2. 127.0.0.1 is sent there too, so that the address that a
# target on the host gives at discovery can be used as it is.
modprobe -a virtio_pci virtio_net
for i in all eth0; do
  echo 1 > /proc/sys/net/ipv4/conf/$i/route_localnet
  echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter
done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip addr del 127.0.0.1/8 dev lo
ip route add 127.0.0.1/32 via 10.0.2.2 dev eth0

echo "InitiatorName=${INITIATOR:-iqn.2000-01.example.initiator:linux}" > /etc/iscsi/initiatorname.iscsi
modprobe -a iscsi_tcp sd_mod sg ext4
iscsid

/job/script
printf '%sexit %s\n' "$MARK" $?
poweroff -f
