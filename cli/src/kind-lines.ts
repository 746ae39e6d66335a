// SPDX-License-Identifier: Apache-2.0
// What a LUN argument can say, one line an example: for the help of `lunkit serve`, and that of each kind.
import type { Role } from './target-face/plug-ins.ts'

/** Kinds without a line are said in other words: a `disk` is what all others are, where nothing else is named. */
export interface KindLine {
  readonly kind: string
  readonly role: Role
  readonly example: string
  readonly words: string
}

const line =
  (role: Role) =>
  (kind: string, example: string, words: string): KindLine => ({ kind, role, example, words })
const store = line('store')
const device = line('device')
const filter = line('filter')

export const KIND_LINES: readonly KindLine[] = [
  store('file', 'disk.img', 'an image that exists'),
  store(
    'file',
    'new.img,size=10G',
    'created, sparse, if it does not exist (preallocate=yes: with room for all of it)',
  ),
  store('file', 'disk.img,direct=yes', 'around the page cache (sync=yes: each write is durable)'),
  store(
    'qcow2',
    'qcow2:disk.qcow2',
    'an image of QEMU; with size=10G created, with backing=FILE over another',
  ),
  store(
    'block',
    'block:/dev/sdb',
    'a block device, around the page cache; what is mounted or in use is refused',
  ),
  store('memory', 'memory:256M', 'in memory, gone at the end'),
  store(
    'nbd',
    'nbd://HOST/EXPORT',
    'an export of an NBD server, such as qemu-nbd or nbdkit; nbds:// with TLS',
  ),
  store('iscsi', 'iscsi://HOST/TARGET/LUN', 'the bytes of a disk of another target'),
  store('object', 'object:./storage.mjs', 'your own: a module whose default export has size and read'),
  store('handler', 'handler:/run/h.sock', 'blocks that another process has, in any language'),
  store('null', 'null:1T', 'for measuring: writes are dropped, reads are zeros (read_zero=no: nonsense)'),
  device(
    'cdrom',
    'cdrom:image.iso',
    'a disc in a CD drive; cdrom: alone is an empty drive, next=more.iso the disc of the next load',
  ),
  device(
    'passthrough',
    'passthrough:iscsi://HOST/TARGET/LUN',
    'a unit of another target, which answers every command',
  ),
  device(
    'passthrough',
    'passthrough:/dev/sg3',
    "a SCSI device of this machine ('lunkit devices' lists them)",
  ),
  device('user', 'user:/run/h.sock', 'a handler that answers every SCSI command itself'),
  device('dummy', 'dummy:', "holds a LUN's place: there is no unit"),
  filter('readonly', 'readonly:disk.img', 'nothing below it is changed'),
  filter(
    'overlay',
    'overlay:disk.img',
    'changes are kept in memory (most=256M), in upper=FILE, or for each initiator (per=initiator)',
  ),
  filter('error', 'error:disk.img', 'rehearsed faults: errors=medium:read:lba=100-199+busy:every=9'),
  filter('delay', 'delay:disk.img,delay=20', 'each request waits so many milliseconds'),
  filter('throttle', 'throttle:disk.img,iops=500,rate=20M', 'so many requests and bytes a second'),
  filter('trace', 'trace:disk.img,tracefile=FILE', 'a line for each request'),
  filter(
    'cache',
    'cache:nbd://HOST/EXPORT,cachesize=1G',
    'what was read or written lately is read from memory',
  ),
  filter('checksum', 'checksum:disk.img,checksums=FILE', 'a block that is not what was written is an error'),
  filter('encrypt', 'encrypt:disk.img,keyfile=FILE', "AES-XTS, as dm-crypt's plain mode has it"),
]

/** Room for examples; longer ones push their words to the right. */
const WIDTH = 37

export const linesOf = (lines: readonly KindLine[]): string =>
  lines.map(({ example, words }) => `  ${example.padEnd(WIDTH)} ${words}`).join('\n')
