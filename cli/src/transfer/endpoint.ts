// SPDX-License-Identifier: Apache-2.0
// Both ends of a transfer as bytes at an offset: a LUN, a file, standard input or output.
import { type FileHandle, open } from 'node:fs/promises'
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

export const isLun = (text: string): boolean => text.startsWith('iscsi://')

/** A LUN as source and sink; edges that are not whole blocks are read, changed and written back. */
export async function openLun(url: string, options: ConnectOptions): Promise<Source & Sink> {
  const disk = await connect(url, options)
  const { blockSize, bytes } = await disk.capacity()
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
  return {
    label: text,
    size: null,
    random: true,
    zeroed: true,
    write: (offset, bytes) => writeFully(handle, offset, bytes),
    async finish(size) {
      await handle.truncate(size)
      await handle.datasync()
    },
    close: () => handle.close(),
  }
}

async function openFile(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code})`
    throw new UsageError(
      'FILE_MISSING',
      `'${path}' ${why}`,
      flags === 'r' ? '' : 'its folder must exist and be writable',
    )
  }
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

async function writeFully(handle: FileHandle, offset: number, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
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
  return {
    label: 'standard output',
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
