// SPDX-License-Identifier: Apache-2.0
// What tests of qcow2 share: QEMU's judgement of an image, and seeded random numbers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'

interface Verdict {
  readonly corruptions: number
  readonly leaks: number
  readonly errors: number
  /** What it printed. */
  readonly text: string
}

/** Runs qemu-img or qemu-io; rejects where it fails. */
export function qemu(program: 'qemu-img' | 'qemu-io', ...words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, words, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${words.join(' ')}: ${error.message}\n${stdout}${stderr}`))
    })
  })
}

/** `qemu-img check`, which changes nothing. */
export function look(path: string): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    execFile('qemu-img', ['check', '-f', 'qcow2', '--output=json', path], (error, stdout, stderr) => {
      try {
        const told = JSON.parse(stdout) as Record<string, number>
        resolve({
          corruptions: told['corruptions'] ?? 0,
          leaks: told['leaks'] ?? 0,
          errors: told['check-errors'] ?? 0,
          text: stderr,
        })
      } catch {
        reject(error ?? new Error(stderr))
      }
    })
  })
}

/** Neither corrupt nor, unless `leaks` says so, with clusters that nobody has. */
export async function sound(path: string, leaks = false): Promise<void> {
  const { corruptions, leaks: lost, errors, text } = await look(path)
  assert.deepEqual(
    { corruptions, errors, leaks: leaks ? 0 : lost },
    { corruptions: 0, errors: 0, leaks: 0 },
    text,
  )
}

/** Numbers from 0 to below `end`, the same for the same seed. */
export function numbers(seed: number): (end: number) => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return end => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end
  }
}
