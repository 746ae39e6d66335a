// SPDX-License-Identifier: Apache-2.0
// Opens or creates a store's file: refuses what cannot serve, says why, and leaves nothing behind when it fails.
import fs from 'node:fs'
import { realpath, stat, unlink } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'
import { codeOf } from '../errno.ts'
import { NoReads } from './cached-reads.ts'
import { chooseReads } from './choose-reads.ts'
import { type FileCalls, fileCalls } from './file-calls.ts'
import { inUse, lockByName } from './file-lock.ts'
import { holesOf } from './file-space.ts'
import { FileStore } from './file-store.ts'
import { keepsRoom, whyNoHoles } from './holes.ts'
import { formatNote } from './image-formats.ts'
import { type LinuxCalls, linuxCalls } from './linux-calls.ts'
import { openDirect } from './open-direct.ts'
import { takeRoom } from './take-room.ts'

export type Readahead = 'normal' | 'sequential' | 'random' | 'no'

export interface FileOptions {
  readonly path: string
  /** Bytes: made so long if it is missing or empty; else its length must be the same. */
  readonly size?: number
  readonly readonly?: boolean
  /** Around the page cache. */
  readonly direct?: boolean
  /** Everything is durable before it is answered. */
  readonly sync?: boolean
  /** What the kernel reads ahead: as it likes, twice as much, or nothing. */
  readonly readahead?: Readahead
  /** All of it has its room from the start. */
  readonly preallocate?: boolean
  /** Its bytes are to be a disk: the note says if they look like something else. */
  readonly asDisk?: boolean
  /** The road of cached reads; initially the best that works. */
  readonly reads?: 'preadv2' | 'readSync' | 'threads'
  /** The machine's calls; a test gives failing ones. */
  readonly calls?: FileCalls
  /** The same for Linux's own; null: there are none. */
  readonly linux?: LinuxCalls | null
}

/** tmpfs and ramfs, by statfs(2). */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6])

type Undo = (() => Promise<unknown>)[]

/** Rejects with OperatorError (`FILE_MISSING`, `FILE_IN_USE`, …). */
export async function openFile(options: FileOptions): Promise<FileStore> {
  const { path, size } = options
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0)) {
    throw new OperatorError('FILE_SIZE', `File '${path}' cannot have ${size} bytes`, {
      hint: 'give size= as 1 byte or more, such as size=10G',
    })
  }
  refusePairs(options)
  const undo: Undo = []
  try {
    const missing = await lookAt(options)
    return await openLocked(options, missing, undo)
  } catch (error) {
    for (const step of undo.reverse()) await step()
    throw error instanceof OperatorError ? error : cannotOpen(options, error)
  }
}

/** Keys that make no sense together. */
function refusePairs({ path, readonly, direct, readahead = 'normal', preallocate }: FileOptions): void {
  if (direct === true && readahead !== 'normal') {
    throw new OperatorError('FILE_READAHEAD', `File '${path}': nothing is read ahead with direct=yes`, {
      hint: 'leave one of direct= and readahead= away',
    })
  }
  if (readonly === true && preallocate === true) {
    throw new OperatorError('FILE_PREALLOCATE', `File '${path}' is read-only, and takes no room`, {
      hint: 'leave one of readonly= and preallocate= away',
    })
  }
}

/** Refuses what is no regular file before it is opened: a FIFO would block. True if there is nothing yet. */
async function lookAt({ path, size, readonly }: FileOptions): Promise<boolean> {
  const stats = await stat(path).catch(error => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (stats !== null) {
    refuseSpecial(path, stats)
    return false
  }
  if (size !== undefined && !readonly) return true
  throw new OperatorError('FILE_MISSING', `File '${path}' does not exist`, {
    hint: path.startsWith('/dev/')
      ? 'check the path; a block device is served with block:'
      : readonly
        ? 'check the path: what is only read, such as a disc, has to be there already'
        : `give its size= to create it, such as size=10G`,
  })
}

type Kind = Pick<
  fs.StatsBase<unknown>,
  'isFile' | 'isDirectory' | 'isBlockDevice' | 'isCharacterDevice' | 'isFIFO'
>

/** What it is, or empty for a regular file. */
export function kindOf(stats: Kind): string {
  if (stats.isFile()) return ''
  if (stats.isDirectory()) return 'a directory'
  if (stats.isBlockDevice()) return 'a block device'
  if (stats.isCharacterDevice()) return 'a character device'
  return stats.isFIFO() ? 'a FIFO' : 'a socket'
}

/** Throws OperatorError FILE_NOT_REGULAR. */
export function refuseSpecial(path: string, stats: Kind): void {
  const kind = kindOf(stats)
  if (kind === '') return
  throw new OperatorError('FILE_NOT_REGULAR', `'${path}' is ${kind}, not a regular file`, {
    hint: stats.isBlockDevice() ? `write block:${path}` : 'name a disk image',
  })
}

async function openLocked(options: FileOptions, missing: boolean, undo: Undo): Promise<FileStore> {
  const { path } = options
  const canWrite = options.readonly !== true
  const { fd, created } = await openFd(path, canWrite, missing)
  undo.push(() => closeFd(fd))
  const stats = await statFd(fd)
  refuseSpecial(path, stats)
  const unlock = process.platform === 'linux' ? await lockByName(path, stats, !canWrite) : async () => {}
  undo.push(unlock)
  const linux = options.linux === undefined ? await linuxCalls() : options.linux
  if (linux !== null && linux.lock(fd, !canWrite) === linux.again) throw inUse(path, null)
  // From here on nobody else can have taken the file that this call made.
  if (created) undo.push(() => unlink(path).catch(() => {}))

  const size = await agreeOnSize(options, fd)
  if (options.preallocate === true) await takeRoom(path, fd, 0, size, linux)
  const sync = options.sync === true
  const open = (flags: number): Promise<number> => openAgain(path, stats, flags, undo)
  const direct = options.direct === true ? await openDirect({ path, size, canWrite, sync, open }) : null
  const { O_RDWR, O_DSYNC } = fs.constants
  const durableFd =
    direct !== null
      ? direct.durableFd
      : canWrite && process.platform === 'linux'
        ? await open(O_RDWR | O_DSYNC)
        : -1
  const calls = options.calls ?? fileCalls
  const noHoles = canWrite ? await whyNoHoles(path, fd, size, linux) : ''
  const space = linux !== null && noHoles === '' ? linux.space : null
  const realPath = await realpath(path)
  const block = Number(stats.blksize)
  const preferredBlock = block >= 512 && Number.isInteger(Math.log2(block)) ? block : 4096
  const { holeSize, type } = await holesOf({ fd, realPath }, calls)
  const inMemory = MEMORY_FILE_SYSTEMS.has(type)
  const { reads, note } =
    direct === null
      ? await chooseReads(path, fd, linux, calls, inMemory, options.reads)
      : { reads: new NoReads(), note: '' }
  const unread = readAhead(options, fd, linux)
  const anchors = space !== null && (await keepsRoom(fd, type, space))
  const notes = [note, unread, noHoles, options.asDisk === true ? formatNote(fd) : '']
    .filter(one => one !== '')
    .join('; ')
  return new FileStore(
    {
      fd,
      durableFd,
      realPath,
      size,
      preferredBlock,
      canWrite,
      reads,
      direct,
      sync,
      takeRoom: options.preallocate === true ? (from, to) => takeRoom(path, fd, from, to, linux) : null,
      inMemory,
      space,
      holeSize,
      anchors,
      note: notes,
      unlock,
    },
    calls,
  )
}

async function openFd(
  path: string,
  canWrite: boolean,
  missing: boolean,
): Promise<{ fd: number; created: boolean }> {
  const access = canWrite ? fs.constants.O_RDWR : fs.constants.O_RDONLY
  // Non-blocking, because what was looked at may have become a FIFO since.
  const flags = access | (fs.constants.O_NONBLOCK ?? 0) | exclusionFlag(canWrite)
  if (missing) {
    try {
      const fd = await openWith(path, flags | fs.constants.O_CREAT | fs.constants.O_EXCL)
      return { fd, created: true }
    } catch (error) {
      // Made by somebody else meanwhile: the lock and the size say whether it can be shared.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  return { fd: await openWith(path, flags), created: false }
}

/** Open flags that lock, where Linux's way is missing: O_EXLOCK and O_SHLOCK of the BSDs, libuv's own on Windows. */
export function exclusionFlag(canWrite: boolean): number {
  if (process.platform === 'win32') return canWrite ? 0x10000000 : 0
  const bsd = ['darwin', 'freebsd', 'openbsd', 'netbsd'].includes(process.platform)
  if (bsd) return canWrite ? 0x20 : 0x10
  return 0
}

/** The same file with other flags: with O_DSYNC, a write is durable when it returns. */
async function openAgain(path: string, first: fs.BigIntStats, flags: number, undo: Undo): Promise<number> {
  const fd = await openWith(path, flags | fs.constants.O_NONBLOCK)
  undo.push(() => closeFd(fd))
  const second = await statFd(fd)
  if (second.ino === first.ino && second.dev === first.dev) return fd
  throw new OperatorError('FILE_REPLACED', `File '${path}' was replaced while it was opened`, {
    hint: 'try again when it is left alone',
  })
}

/** What is lost, or empty. */
function readAhead({ readahead = 'normal' }: FileOptions, fd: number, linux: LinuxCalls | null): string {
  if (readahead === 'normal' || linux?.readAhead(fd, readahead) === 0) return ''
  return `the kernel was not told of readahead=${readahead}, which takes Linux and koffi`
}

/** The size to serve; makes a new or empty file as long as asked, without filling it. */
async function agreeOnSize({ path, size, readonly }: FileOptions, fd: number): Promise<number> {
  const found = Number((await statFd(fd)).size)
  if (found > 0) {
    if (size === undefined || size === found) return found
    const way = size > found ? `grow it first: truncate -s ${size} '${path}'` : 'name another file'
    throw new OperatorError('FILE_SIZE_DIFFERS', `File '${path}' has ${found} bytes, not ${size}`, {
      hint: `leave size= away to serve it as it is, or ${way}`,
    })
  }
  if (size === undefined || readonly) {
    throw new OperatorError('FILE_EMPTY', `File '${path}' is empty`, {
      hint: 'check what should be in it; to make a disk of it, open it with a size=, such as size=10G, and without readonly',
    })
  }
  await new Promise<void>((resolve, reject) => {
    fs.ftruncate(fd, size, error => (error === null ? resolve() : reject(error)))
  })
  return size
}

const REASONS: Readonly<Record<string, readonly [code: string, reason: string, hint: string]>> = {
  EACCES: ['FILE_ACCESS', 'permission denied', 'change its permissions, or open it with readonly=yes'],
  EPERM: ['FILE_ACCESS', 'permission denied', 'change its permissions, or open it with readonly=yes'],
  EROFS: ['FILE_ACCESS', 'its file system is read-only', 'open it with readonly=yes'],
  EFBIG: ['FILE_SIZE', 'its file system has no room for files so long', 'give a smaller size='],
  EINVAL: ['FILE_SIZE', 'its file system has no room for files so long', 'give a smaller size='],
  ENOSPC: ['FILE_SIZE', 'its file system is full', 'make room there'],
  ENOENT: ['FILE_MISSING', 'its directory does not exist', 'create the directory first'],
  ENOTDIR: ['FILE_MISSING', 'a part of its path is no directory', 'check the path'],
  ELOOP: ['FILE_MISSING', 'its symbolic links lead in a circle', 'check the path'],
  EAGAIN: ['FILE_IN_USE', 'another program has locked it', 'stop the other one'],
  EBUSY: ['FILE_IN_USE', 'another program has locked it', 'stop the other one'],
}

function cannotOpen({ path, readonly, size }: FileOptions, error: unknown): OperatorError {
  const known = REASONS[codeOf(error)]
  const [code, reason, way] = known ?? [
    'FILE_OPEN',
    error instanceof Error ? error.message : String(error),
    '',
  ]
  // A file that is to be made has none yet.
  const others =
    size === undefined ? 'change its permissions' : 'change its permissions, or those of its directory'
  const hint = code === 'FILE_ACCESS' && (readonly || size !== undefined) ? others : way
  return new OperatorError(code, `File '${path}' cannot be opened: ${reason}`, { hint, cause: error })
}

function openWith(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o666, (error, fd) => (error === null ? resolve(fd) : reject(error)))
  })
}

function statFd(fd: number): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

function closeFd(fd: number): Promise<void> {
  return new Promise(resolve => fs.close(fd, () => resolve()))
}
