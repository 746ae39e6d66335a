// SPDX-License-Identifier: Apache-2.0
// What of Debian goes into the guest: packages to download, kernel modules and programs to take out of them.

/** Packages whose programs the guest has; the libraries they need are found through their dependencies. */
export const packages = [
  'busybox-static',
  'cryptsetup-bin',
  'dash',
  'dmsetup',
  'e2fsprogs',
  'eject',
  'kmod',
  'libstdc++6',
  'open-iscsi',
  'sg3-utils',
  'util-linux',
]

/** The package that depends on Debian's current kernel. */
export const kernelPackage = 'linux-image-amd64'

/** Modules, each with all that it needs; modules that are built into the kernel may be named too. */
export const modules = [
  'virtio_pci',
  'virtio_net',
  'iscsi_tcp',
  'sd_mod',
  'sr_mod',
  'isofs',
  'sg',
  'scsi_debug',
  '9p',
  '9pnet_virtio',
  'ext4',
  'dm_multipath',
  'dm_service_time',
  'dm_crypt',
  'xts',
  'loop',
  'scsi_dh_alua',
  'crc32c_generic',
  'crc32c_intel',
]

/** Programs, beside all of busybox's, whose applet of the same name they replace. */
export const programs = [
  'dash',
  'kmod',
  'iscsid',
  'iscsiadm',
  'mkfs.ext4',
  'e2fsck',
  'resize2fs',
  'blkdiscard',
  'blockdev',
  'cryptsetup',
  'dmsetup',
  'eject',
  'sg_compare_and_write',
  'sg_copy_results',
  'sg_format',
  'sg_get_lba_status',
  'sg_get_config',
  'sg_ident',
  'sg_inq',
  'sg_logs',
  'sg_luns',
  'sg_modes',
  'sg_opcodes',
  'sg_persist',
  'sg_prevent',
  'sg_raw',
  'sg_read_buffer',
  'sg_readcap',
  'sg_referrals',
  'sg_requests',
  'sg_reset',
  'sg_rtpg',
  'sg_sanitize',
  'sg_senddiag',
  'sg_start',
  'sg_stpg',
  'sg_sync',
  'sg_test_rwbuf',
  'sg_timestamp',
  'sg_turs',
  'sg_unmap',
  'sg_verify',
  'sg_vpd',
  'sg_wr_mode',
  'sg_write_buffer',
  'sg_write_same',
  'sg_write_verify',
  'sg_write_x',
  'sg_xcopy',
]

/**
 * Libraries that no program here is linked to: glibc loads the first when a thread is cancelled, and it and the others are what
 * Node wants, which a test may bring.
 */
export const extraLibraries = [
  'libgcc_s.so.1',
  'libstdc++.so.6',
  'libm.so.6',
  'libdl.so.2',
  'libpthread.so.0',
]

/** Further names in the guest's /bin. */
export const programLinks = { sh: 'dash', modprobe: 'kmod', insmod: 'kmod', rmmod: 'kmod', lsmod: 'kmod' }
