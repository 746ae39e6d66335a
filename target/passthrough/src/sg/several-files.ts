// SPDX-License-Identifier: Apache-2.0
// Several open files of one unit as if they were one, since the kernel takes only so many commands of each.
import { MOST_COMMANDS } from './header.ts'
import type { SgCalls } from './linux-sg.ts'

interface Group {
  readonly files: readonly number[]
  /** Commands that each file has. */
  readonly under: number[]
  /** The file that is ready to be read. */
  ready: number
}

/** A group has the number of its first file. */
export class SeveralFiles implements SgCalls {
  readonly #calls: SgCalls
  readonly #count: number
  readonly #groups = new Map<number, Group>()
  constructor(calls: SgCalls, count: number) {
    this.#calls = calls
    this.#count = count
  }

  open(path: string, answer: (failure: string, fd: number) => void): void {
    const files: number[] = []
    const opened = (failure: string, fd: number): void => {
      if (failure !== '') {
        for (const file of files) this.#calls.close(file)
        answer(failure, -1)
        return
      }
      files.push(fd)
      if (files.length < this.#count) {
        this.#calls.open(path, opened)
        return
      }
      this.#groups.set(files[0]!, { files, under: files.map(() => 0), ready: 0 })
      answer('', files[0]!)
    }
    this.#calls.open(path, opened)
  }

  /** All of one call go to one file, the one with the most room. */
  submit(fd: number, headers: readonly Buffer[], answer: (failure: string, taken: number) => void): void {
    const { files, under } = this.#group(fd)
    const i = under.indexOf(Math.min(...under))
    const room = MOST_COMMANDS - under[i]!
    const part = headers.length > room ? headers.slice(0, room) : headers
    under[i]! += part.length
    this.#calls.submit(files[i]!, part, (failure, taken) => {
      under[i]! -= part.length - (failure === '' ? taken : 0)
      answer(failure, taken)
    })
  }

  collect(fd: number, headers: readonly Buffer[]): number {
    const group = this.#group(fd)
    const count = this.#calls.collect(group.files[group.ready]!, headers)
    group.under[group.ready]! -= count
    return count
  }

  reset(fd: number, answer: (failure: string) => void): void {
    this.#calls.reset(fd, answer)
  }

  close(fd: number): void {
    for (const file of this.#group(fd).files) this.#calls.close(file)
    this.#groups.delete(fd)
  }

  maxTransfer(fd: number): number {
    return this.#calls.maxTransfer(fd)
  }

  addressOf(memory: ArrayBufferLike): number {
    return this.#calls.addressOf(memory)
  }

  watch(fd: number, ready: (gone: boolean) => void): void {
    const group = this.#group(fd)
    for (const [i, file] of group.files.entries()) {
      this.#calls.watch(file, gone => {
        group.ready = i
        ready(gone)
      })
    }
  }

  unwatch(fd: number): void {
    for (const file of this.#group(fd).files) this.#calls.unwatch(file)
  }

  expect(more: number): void {
    this.#calls.expect(more)
  }

  #group(fd: number): Group {
    return this.#groups.get(fd)!
  }
}
