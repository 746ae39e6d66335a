// SPDX-License-Identifier: Apache-2.0
// Files that hold a disk in a form of their own: as bytes they are no disk that anybody wants.
import fs from 'node:fs'

interface Format {
  readonly name: string
  /** What such a file begins with, in latin1. */
  readonly magic: string
  readonly hint: string
}

const BY_SERVER = 'qemu-nbd can serve the disk inside it, and nbd: what that serves'
const FORMATS: readonly Format[] = [
  { name: 'qcow2', magic: 'QFI\xfb', hint: 'qcow2: in front of the path serves the disk inside it' },
  { name: 'VMDK', magic: 'KDMV', hint: BY_SERVER },
  { name: 'VHDX', magic: 'vhdxfile', hint: BY_SERVER },
  { name: 'VHD', magic: 'conectix', hint: BY_SERVER },
  { name: 'QED', magic: 'QED\0', hint: BY_SERVER },
]
const LONGEST = Math.max(...FORMATS.map(({ magic }) => magic.length))

/** What to tell the operator of a file that begins like one of these, or an empty text. It is served as it is all the same. */
export function formatNote(fd: number): string {
  const start = Buffer.alloc(LONGEST)
  try {
    fs.readSync(fd, start, 0, LONGEST, 0)
  } catch {
    // The disk will say so, too.
    return ''
  }
  const found = FORMATS.find(({ magic }) => start.toString('latin1').startsWith(magic))
  return found === undefined
    ? ''
    : `it looks like a ${found.name} image and is served byte by byte; ${found.hint}`
}
