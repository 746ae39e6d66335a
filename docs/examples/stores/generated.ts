// SPDX-License-Identifier: Apache-2.0
// Example: a disk like /proc: files that are written when they are read, in a FAT that any system can mount.
import { freemem, loadavg, uptime } from 'node:os'
import type { ObjectStorage } from 'lunkit/target'
import { type FatFile, fatDisk } from './fat.ts'

const LINE = 4096

/** A text file; what is behind the text is spaces, since a file's size cannot change while it is mounted. */
const text = (path: string, make: () => string): FatFile => ({
  path,
  size: LINE,
  read: () =>
    Buffer.from(
      `${make()
        .slice(0, LINE - 1)
        .padEnd(LINE - 1)}\n`,
      'latin1',
    ),
})

export const generatedDisk = (): ObjectStorage =>
  fatDisk([
    text('uptime', () => `${uptime()} s`),
    text('load', () => loadavg().join(' ')),
    text('memory/free', () => `${freemem()} bytes`),
    text('memory/heap', () => JSON.stringify(process.memoryUsage(), null, 2)),
  ])
