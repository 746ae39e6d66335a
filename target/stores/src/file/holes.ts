// SPDX-License-Identifier: Apache-2.0
// A file's holes: making them, writing zeros, finding them, and whether this file can have them at all.
import { constants } from 'node:os'
import type { StoreIo } from '@lunkit/target-api'
import type { LinuxCalls, SpaceCalls } from './linux-calls.ts'
import type { LongCalls } from './long-calls.ts'

/** One call makes a hole no longer than this, so that an abort need not wait for terabytes. */
const LONGEST = 2 ** 30
/** So far beyond the file's end no data lies, whoever makes the file longer meanwhile. */
const BEYOND = 2 ** 30
const LOST = 'the unit is not thin: what an initiator gives back stays in the file'
const { ENXIO, EOPNOTSUPP } = constants.errno

/** Why holes cannot be made in this file, with what that costs; empty where they can. Tries it where there is nothing. */
export async function whyNoHoles(
  path: string,
  fd: number,
  size: number,
  linux: LinuxCalls | null,
): Promise<string> {
  if (process.platform !== 'linux') return `this system makes no holes: ${LOST}`
  if (linux === null) return `koffi is not installed ('npm install koffi' does it): ${LOST}`
  const errno = await new Promise<number>(resolve => {
    linux.space.punch(fd, size + BEYOND, 4096, (_result, code) => resolve(code))
  })
  return errno === 0 ? '' : `the file system of '${path}' makes no holes: ${LOST}`
}

/** File systems (statfs(2)) that keep room for what is not written, and tell of it. */
const EXT = 0xef53
const KEEP_ROOM: ReadonlySet<number> = new Set([EXT, 0x5846_5342, 0x9123_683e])

/** Whether room can be kept for zeros in this file. */
export async function keepsRoom(fd: number, type: number, space: SpaceCalls): Promise<boolean> {
  if (!KEEP_ROOM.has(type) || (type === EXT && !space.hasExtents(fd))) return false
  return new Promise(resolve => space.reserved(fd, 0, 4096, (_run, errno) => resolve(errno === 0)))
}

export class Holes {
  readonly #fd: number
  readonly #calls: SpaceCalls
  readonly #long: LongCalls
  /** Zeros that take up room can be had here. */
  #reserves = true

  /** Room that is kept is told apart from holes. */
  readonly #anchors: boolean

  constructor(fd: number, calls: SpaceCalls, long: LongCalls, anchors: boolean) {
    this.#fd = fd
    this.#anchors = anchors
    this.#calls = calls
    this.#long = long
  }

  discard(io: StoreIo): void {
    this.#long.start(io, ({ offset, length }, done, answer) => {
      this.punch(offset + done, length - done, answer)
    })
  }

  zero(io: StoreIo): void {
    this.#long.start(io, ({ offset, length }, done, answer) => {
      const at = offset + done
      const left = length - done
      if (!this.#reserves) return this.punch(at, left, answer)
      const part = Math.min(left, LONGEST)
      this.#calls.zero(this.#fd, at, part, (_result, errno) => {
        if (errno !== EOPNOTSUPP) return answer(part, errno)
        this.#reserves = false
        this.punch(at, left, answer)
      })
    })
  }

  map(io: StoreIo): void {
    this.#long.start(io, (_io, _done, answer) => {
      this.run(io.offset, (held, end, errno) => {
        io.held = held
        io.anchored = false
        io.length = Math.min(end - io.offset, io.length)
        if (held || errno !== 0 || !this.#anchors) answer(io.length, errno)
        else this.#splitHole(io, answer)
      })
    })
  }

  /** To SEEK_DATA, blocks that were reserved and never written are a hole, too. */
  #splitHole(io: StoreIo, answer: (moved: number, errno: number) => void): void {
    const { offset, length } = io
    this.#calls.reserved(this.#fd, offset, length, (run, errno) => {
      if (run === null) return answer(0, errno)
      if (run.length > 0) {
        io.anchored = run.offset === offset
        io.length = io.anchored ? run.length : run.offset - offset
      }
      answer(io.length, 0)
    })
  }

  /** Whether the byte there is held, and how far that is so; the end is infinite behind the last data. */
  run(offset: number, answer: (held: boolean, end: number, errno: number) => void): void {
    this.#calls.seek(this.#fd, offset, 'data', (data, none) => {
      if (none === ENXIO) answer(false, Number.POSITIVE_INFINITY, 0)
      else if (none !== 0 || data > offset) answer(false, data, none)
      else this.#calls.seek(this.#fd, offset, 'hole', (hole, errno) => answer(true, hole, errno))
    })
  }

  punch(offset: number, length: number, answer: (moved: number, errno: number) => void): void {
    const part = Math.min(length, LONGEST)
    this.#calls.punch(this.#fd, offset, part, (_result, errno) => answer(part, errno))
  }
}
