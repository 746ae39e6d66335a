// SPDX-License-Identifier: Apache-2.0
// What of Debian goes into the guest: packages to download, kernel modules and programs to take out of them.

/** Packages whose programs the guest has; the libraries they need are found through their dependencies. */
export const packages = ['busybox-static', 'dash', 'e2fsprogs', 'kmod', 'open-iscsi', 'sg3-utils']

/** The package that depends on Debian's current kernel. */
export const kernelPackage = 'linux-image-amd64'

/** Modules, each with all that it needs; modules that are built into the kernel may be named too. */
export const modules = [
  'virtio_pci',
  'virtio_net',
  'iscsi_tcp',
  'sd_mod',
  'sg',
  'ext4',
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
  'sg_inq',
  'sg_vpd',
  'sg_luns',
  'sg_opcodes',
  'sg_readcap',
  'sg_reset',
]

/** Libraries that are loaded by name while a program runs: glibc takes this one when a thread is cancelled. */
export const extraLibraries = ['libgcc_s.so.1']

/** Further names in the guest's /bin. */
export const programLinks = { sh: 'dash', modprobe: 'kmod', insmod: 'kmod', rmmod: 'kmod', lsmod: 'kmod' }
