// SPDX-License-Identifier: Apache-2.0
// Both ends of a transfer as bytes at an offset: a LUN, a file, standard input or output.
import { constants, type FileHandle, open } from 'node:fs/promises'
import { type ConnectOptions, connect, type Disk } from '@lunkit/initiator-driver-iscsi'
import { UsageError } from '../usage-error.ts'

/** Where bytes come from. `size` is null where only the end will tell. */
export interface Source {
  readonly label: string
  readonly size: number | null
  /** Fills the buffer from `offset`; gives fewer bytes only at the end. Streams must be read in order. */
  read(offset: number, buffer: Buffer): Promise<number>
  /** Whether reads may overlap and come in any order. */
  readonly random: boolean
  close(): Promise<void>
}

/** Where bytes go. */
export interface Sink {
  readonly label: string
  /** Room in bytes, or null for no end. */
  readonly size: number | null
  readonly random: boolean
  /** A new file reads zeros where nothing was written. */
  readonly zeroed: boolean
  write(offset: number, bytes: Buffer): Promise<void>
  /** All is written: makes it durable, and the sink `size` bytes long where it can be. */
  finish(size: number): Promise<void>
  close(): Promise<void>
}

export const STANDARD_OUTPUT = 'standard output'

export const isLun = (text: string): boolean => /^iscsi:\/\//i.test(text)

/** The text, which must name a LUN. */
export function requireLun(text: string): string {
  if (isLun(text)) return text
  throw new UsageError('URL_INVALID', `'${text}' is no LUN`, 'write iscsi://HOST[:PORT]/TARGET/LUN')
}

/** A LUN as source and sink; edges that are not whole blocks are read, changed and written back. */
export async function openLun(url: string, options: ConnectOptions): Promise<Source & Sink> {
  const disk = await connect(url, options)
  const { blockSize, bytes } = await disk.capacity().catch(async error => {
    // Without its end the session would go on, and the process with it.
    await disk.close().catch(() => {})
    throw error
  })
  return {
    label: url,
    size: bytes,
    random: true,
    zeroed: false,
    read: (offset, buffer) => readBytes(disk, blockSize, bytes, offset, buffer),
    write: (offset, data) => writeBytes(disk, blockSize, offset, data),
    finish: () => disk.flush(),
    close: () => disk.close(),
  }
}

async function readBytes(
  disk: Disk,
  blockSize: number,
  end: number,
  offset: number,
  buffer: Buffer,
): Promise<number> {
  const length = Math.min(buffer.length, end - offset)
  if (length <= 0) return 0
  const first = Math.floor(offset / blockSize)
  const blocks = Math.ceil((offset + length) / blockSize) - first
  const skip = offset - first * blockSize
  if (skip === 0 && length === blocks * blockSize) await disk.readInto(first, buffer.subarray(0, length))
  else (await disk.read(first, blocks)).copy(buffer, 0, skip, skip + length)
  return length
}

async function writeBytes(disk: Disk, blockSize: number, offset: number, data: Buffer): Promise<void> {
  const first = Math.floor(offset / blockSize)
  const skip = offset - first * blockSize
  const blocks = Math.ceil((skip + data.length) / blockSize)
  if (skip === 0 && data.length === blocks * blockSize) return disk.write(first, data)
  const whole = await disk.read(first, blocks)
  data.copy(whole, skip)
  return disk.write(first, whole)
}

export async function openSource(text: string, options: ConnectOptions): Promise<Source> {
  if (isLun(text)) return openLun(text, options)
  if (text === '-') return standardInput()
  const handle = await openFile(text, 'r')
  const stats = await handle.stat()
  if (stats.isDirectory()) {
    await handle.close()
    throw new UsageError('FILE_KIND', `'${text}' is a folder`, 'name a file or a LUN')
  }
  return {
    label: text,
    size: stats.isFile() ? stats.size : null,
    random: stats.isFile(),
    read: (offset, buffer) => readFully(handle, stats.isFile() ? offset : null, buffer),
    close: () => handle.close(),
  }
}

export async function openSink(text: string, options: ConnectOptions): Promise<Sink> {
  if (isLun(text)) return openLun(text, options)
  if (text === '-') return standardOutput()
  const handle = await openFile(text, 'w')
  const stats = await handle.stat()
  const [isFile, isBlockDevice] = [stats.isFile(), stats.isBlockDevice()]
  // A pipe and a character device take bytes in their order and have no length; a block device keeps what was there.
  const random = isFile || isBlockDevice
  // What was in a file stays until there are bytes in its place: a LUN that cannot be read costs nobody a file.
  let emptied: Promise<void> | null = null
  const empty = (): Promise<void> => (emptied ??= isFile ? handle.truncate(0) : Promise.resolve())
  return {
    label: text,
    size: null,
    random,
    zeroed: isFile,
    write: (offset, bytes) =>
      empty()
        .then(() => writeFully(handle, random ? offset : null, bytes))
        .catch(namedAfter(text)),
    async finish(size) {
      await empty()
      if (isFile) await handle.truncate(size)
      if (random) await handle.datasync()
    },
    close: () => handle.close(),
  }
}

async function openFile(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags === 'r' ? flags : constants.O_WRONLY | constants.O_CREAT)
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code)
    const [why, hint] = WHY_NOT[code] ?? [`cannot be opened (${code})`, '']
    if (code === 'ENOENT' && flags === 'w') {
      throw new UsageError('FILE_MISSING', `The folder of '${path}' does not exist`, 'make it first')
    }
    throw new UsageError('FILE_MISSING', `'${path}' ${why}`, hint)
  }
}

const WHY_NOT: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOENT: ['does not exist', 'name a file, or a LUN as iscsi://HOST/TARGET/LUN'],
  EISDIR: ['is a folder', 'name a file in it'],
  EACCES: ['may not be opened by you', 'ask for the right to, or name another'],
}

/** A failed write names its file: the error alone does not. */
const namedAfter =
  (path: string) =>
  (error: NodeJS.ErrnoException): never => {
    const why = error.code === 'ENOSPC' ? 'its disk is full' : error.message
    throw new UsageError('FILE_WRITE', `'${path}' cannot be written: ${why}`)
  }

async function readFully(handle: FileHandle, offset: number | null, buffer: Buffer): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(
      buffer,
      done,
      buffer.length - done,
      offset === null ? null : offset + done,
    )
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

async function writeFully(handle: FileHandle, offset: number | null, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const at = offset === null ? null : offset + done
    done += (await handle.write(bytes, done, bytes.length - done, at)).bytesWritten
  }
}

function standardInput(): Source {
  const chunks = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let rest: Buffer = Buffer.alloc(0)
  return {
    label: 'standard input',
    size: null,
    random: false,
    async read(_offset, buffer) {
      let done = 0
      while (done < buffer.length) {
        if (rest.length === 0) {
          const next = await chunks.next()
          if (next.done) break
          rest = next.value
        }
        const part = rest.copy(buffer, done)
        rest = rest.subarray(part)
        done += part
      }
      return done
    },
    close: async () => void process.stdin.destroy(),
  }
}

function standardOutput(): Sink {
  if (process.stdout.isTTY) {
    throw new UsageError(
      'USAGE',
      'A terminal cannot show the bytes of a disk',
      'name a file with -o, or use a pipe',
    )
  }
  return {
    label: STANDARD_OUTPUT,
    size: null,
    random: false,
    zeroed: false,
    write: (_offset, bytes) =>
      new Promise((resolve, reject) =>
        process.stdout.write(bytes, error => (error ? reject(error) : resolve())),
      ),
    finish: async () => {},
    close: async () => {},
  }
}
