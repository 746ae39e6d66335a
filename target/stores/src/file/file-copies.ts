// SPDX-License-Identifier: Apache-2.0
// Copies between two files without bringing the bytes here: shared blocks, the kernel's copy, or a buffer at last.
import { constants } from 'node:os'
import { codeOf } from '../errno.ts'
import type { FileCalls } from './file-calls.ts'
import type { Holes } from './holes.ts'
import type { SpaceCalls } from './linux-calls.ts'
import type { Piece } from './long-calls.ts'

/** One call shares so many bytes, or copies them: an abort waits for no more. */
const SHARED_AT_ONCE = 2 ** 30
const COPIED_AT_ONCE = 2 ** 24
const BUFFER = 2 ** 18

/** One end of a copy. */
export interface CopyEnd {
  readonly fd: number
  readonly holes: Holes
  /** Block of the file system. */
  readonly block: number
  /** How far its bytes are what was written; less than before where it was cut. */
  readonly end: () => number
}

type Answer = (moved: number, errno: number) => void
type Place = { readonly from: number; readonly to: number; readonly left: number }

/** One copy's way: from the best that both files can to what always works. Never goes back to a better one. */
export class FileCopy {
  readonly #source: CopyEnd
  readonly #target: CopyEnd
  readonly #sourceOffset: number
  readonly #space: SpaceCalls
  readonly #calls: FileCalls
  #way: 'share' | 'kernel' | 'buffer' = 'share'

  constructor(source: CopyEnd, target: CopyEnd, sourceOffset: number, space: SpaceCalls, calls: FileCalls) {
    this.#source = source
    this.#target = target
    this.#sourceOffset = sourceOffset
    this.#space = space
    this.#calls = calls
  }

  readonly piece: Piece = ({ offset, length }, done, answer) => {
    // What was cut off meanwhile would read as a hole.
    if (this.#sourceOffset + length > this.#source.end()) {
      setImmediate(answer, 0, 0)
      return
    }
    this.#go({ from: this.#sourceOffset + done, to: offset + done, left: length - done }, answer)
  }

  #go(place: Place, answer: Answer): void {
    if (this.#way === 'share') this.#share(place, answer)
    else this.#copy(place, answer)
  }

  #share(place: Place, answer: Answer): void {
    const { from, to, left } = place
    const length = Math.min(left, SHARED_AT_ONCE)
    const { block } = this.#target
    if (from % block !== 0 || to % block !== 0 || length % block !== 0) {
      this.#way = 'kernel'
      this.#go(place, answer)
      return
    }
    this.#space.clone(this.#source.fd, from, this.#target.fd, to, length, (_result, errno) => {
      if (errno === 0) return answer(length, 0)
      // Whatever the reason: if it is one for the other ways too, they will meet it.
      this.#way = 'kernel'
      this.#go(place, answer)
    })
  }

  /** What is a hole there becomes one here. */
  #copy(place: Place, answer: Answer): void {
    const { from, to, left } = place
    this.#source.holes.run(from, (held, end, errno) => {
      const length = Math.min(left, end - from)
      if (errno !== 0) answer(0, errno)
      else if (!held) this.#target.holes.punch(to, length, answer)
      else if (this.#way === 'kernel') this.#byKernel({ from, to, left: length }, answer)
      else this.#byBuffer({ from, to, left: length }, answer)
    })
  }

  #byKernel(place: Place, answer: Answer): void {
    const { from, to, left } = place
    const length = Math.min(left, COPIED_AT_ONCE)
    this.#space.copy(this.#source.fd, from, this.#target.fd, to, length, (moved, errno) => {
      if (errno === 0 && moved > 0) return answer(moved, 0)
      if (errno !== 0 && !REFUSED.has(errno)) return answer(0, errno)
      this.#way = 'buffer'
      this.#byBuffer(place, answer)
    })
  }

  #byBuffer({ from, to, left }: Place, answer: Answer): void {
    const buffer = Buffer.allocUnsafeSlow(Math.min(left, BUFFER))
    this.#calls.read(this.#source.fd, buffer, 0, buffer.length, from, (error, got) => {
      if (error !== null) return answer(0, numberOf(error))
      if (got === 0) return answer(0, 0)
      this.#calls.write(this.#target.fd, buffer, 0, got, to, (wrong, put) => {
        if (wrong !== null) answer(0, numberOf(wrong))
        else answer(put, 0)
      })
    })
  }
}

const { EOPNOTSUPP, EXDEV, ENOSYS, EINVAL, ETXTBSY, EIO } = constants.errno
/** copy_file_range(2): not between these files. */
const REFUSED: ReadonlySet<number> = new Set([EOPNOTSUPP, EXDEV, ENOSYS, EINVAL, ETXTBSY])

function numberOf(error: Error): number {
  const numbers: Readonly<Record<string, number>> = constants.errno
  return numbers[codeOf(error)] ?? EIO
}
