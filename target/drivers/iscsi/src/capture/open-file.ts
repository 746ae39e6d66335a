// SPDX-License-Identifier: Apache-2.0
// Opens a file to be captured into: nothing is lost but an older capture, since the name may be that of a disk.
import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'

/** For its owner only: it holds what was on the wire. */
const MODE = 0o600
/** Type of the Section Header Block, with which each pcapng file begins, in either byte order. */
const MAGIC = Buffer.of(0x0a, 0x0d, 0x0d, 0x0a)

/** A file to read and write, which is nobody else's until `close`. */
export interface CaptureFile {
  readonly file: FileHandle
  close(): Promise<void>
}

/** Opens it, or makes it with these permissions. Rejects with OperatorError where it is somebody's, or with the system's error. */
export type OpenCaptureFile = (path: string, mode: number) => Promise<CaptureFile>

const openAlone: OpenCaptureFile = async (path, mode) => {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, mode)
  return { file, close: () => file.close() }
}

/**
 * The file, empty, or a pipe. Rejects with OperatorError CAPTURE_FILE for what is neither empty nor a capture, or with what `opener` and the
 * system reject with. An initiator decides what is in a disk, so it may well look like a capture: `opener` knows which files are served.
 */
export async function openCaptureFile(path: string, opener = openAlone): Promise<CaptureFile> {
  const there = await stat(path).catch(absent)
  checkKind(path, there)
  if (there?.isFIFO()) {
    const file = await open(path, 'w')
    return { file, close: () => file.close() }
  }
  const opened = await opener(path, MODE)
  const { file } = opened
  try {
    // What was opened may be another than what was there.
    const stats = await file.stat()
    checkKind(path, stats)
    if (stats.size > 0) await checkContent(path, file)
    await file.truncate(0)
    return opened
  } catch (error) {
    await opened.close()
    throw error
  }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

function checkKind(path: string, found: Stats | null): void {
  if (found !== null && !found.isFile() && !found.isFIFO() && !found.isDirectory())
    throw refused(path, 'is a device')
}

async function checkContent(path: string, file: FileHandle): Promise<void> {
  const head = Buffer.alloc(MAGIC.length)
  await file.read(head, 0, head.length, 0)
  if (!head.equals(MAGIC)) throw refused(path, 'holds something other than a capture, which would be lost')
}

const refused = (path: string, what: string): OperatorError =>
  new OperatorError('CAPTURE_FILE', `Capture ${path} ${what}`, {
    hint: 'name a new file; only an older capture (pcapng) is overwritten',
  })
