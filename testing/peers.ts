// SPDX-License-Identifier: Apache-2.0
// The real peers that the suites need: where they come from, and what happens where they are not.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/** Program to Debian package. The Linux VM's own parts are downloaded by its suite, not installed. */
const PACKAGES = {
  'iscsi-ls': 'libiscsi-bin',
  'iscsi-inq': 'libiscsi-bin',
  'iscsi-readcapacity16': 'libiscsi-bin',
  'iscsi-test-cu': 'libiscsi-bin',
  'iscsi-perf': 'libiscsi-bin',
  fincore: 'util-linux-extra',
  isnsadm: 'open-isns-utils',
  isnsd: 'open-isns-server',
  cryptsetup: 'cryptsetup-bin',
  losetup: 'mount',
  'mkfs.ext4': 'e2fsprogs',
  nasm: 'nasm',
  nbdkit: 'nbdkit',
  python3: 'python3',
  openssl: 'openssl',
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  'qemu-nbd': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  stunnel: 'stunnel4',
  cc: 'build-essential',
  istgt: 'istgt',
  mcopy: 'mtools',
  tgtd: 'tgt',
  tshark: 'tshark',
  tgtadm: 'tgt',
  xorriso: 'xorriso',
  xz: 'xz-utils',
  zstd: 'zstd',
} as const

/** Parts without a program of their own: QEMU's iscsi driver, and iPXE for its network cards. */
const PARTS = {
  'block-iscsi.so': ['/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so', 'qemu-block-extra'],
  'efi-virtio.rom': ['/usr/lib/ipxe/qemu/efi-virtio.rom', 'ipxe-qemu'],
} as const

export type Peer = keyof typeof PACKAGES | keyof typeof PARTS

function onPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

const isPart = (peer: Peer): peer is keyof typeof PARTS => Object.hasOwn(PARTS, peer)
const isHere = (peer: Peer): boolean => (isPart(peer) ? existsSync(PARTS[peer][0]) : onPath(peer))
const packageOf = (peer: Peer): string => (isPart(peer) ? PARTS[peer][1] : PACKAGES[peer])
const PROGRAM_NAMES = Object.keys(PACKAGES) as Peer[]
const PART_NAMES = Object.keys(PARTS) as Peer[]

/** Packages that are missing here. */
function missingPackages(): string[] {
  return [...new Set([...PROGRAM_NAMES, ...PART_NAMES].filter(peer => !isHere(peer)).map(packageOf))]
}

const KERNEL = 'linux-image-amd64'

const knowsPackage = (name: string): boolean =>
  spawnSync('apt-cache', ['show', name], { stdio: 'ignore' }).status === 0

/** On Debian as root, installs what is missing; elsewhere leaves it, and the suites say what they lack. */
export function installPeers(): void {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return
  const missing = missingPackages()
  if (missing.length === 0 && knowsPackage(KERNEL)) return
  if (missing.length > 0) process.stdout.write(`Installing ${missing.join(', ')}\n`)
  const apt = (...words: string[]): boolean =>
    spawnSync('apt-get', ['-qq', ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0
  const install = (): boolean => apt('install', '-y', '--no-install-recommends', ...missing)
  // Package lists may be old or absent: ask for new ones first, and go on with what there is if that fails. The Linux
  // VM's suite downloads packages by them, too.
  apt('update')
  if (missing.length > 0 && !install())
    process.stdout.write('Some packages could not be installed; their suites will be skipped\n')
}

/**
 * True if all the peers are here. Otherwise the test is skipped by the missing package's name; with CI=true that
 * is a failure, so that nothing is left out unseen.
 */
export function need(t: TestContext, ...peers: Peer[]): boolean {
  const missing = peers.filter(peer => !isHere(peer))
  if (missing.length === 0) return true
  return absent(t, missing.map(peer => `${peer} (Debian package ${packageOf(peer)})`).join(', '))
}

/** Skips the test because `what` is not here; with CI=true fails it. Always false. */
export function absent(t: TestContext, what: string): false {
  if (process.env['CI'] === 'true') throw new Error(`${what} is missing, and with CI=true nothing is skipped`)
  t.skip(`${what} is missing`)
  return false
}
