// SPDX-License-Identifier: Apache-2.0
// Block devices for tests: loop devices over files of a scratch folder, detached when the test has ended.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { absent, need } from '../peers.ts'
import { scratch } from './scratch.ts'

export interface LoopDevice {
  /** Such as `/dev/loop0`. */
  readonly path: string
  /** The file behind it. */
  readonly backing: string
  /** Lets it go before the test has ended. */
  detach(): void
}

/** Whether this machine lets the process make loop devices. */
export const mayMakeLoops = process.getuid?.() === 0 && existsSync('/dev/loop-control')

/** The same, and the test is skipped where it does not, or fails with CI=true. */
export function needLoops(t: TestContext): boolean {
  if (!need(t, 'losetup')) return false
  return mayMakeLoops || absent(t, 'the right to make loop devices (root, /dev/loop-control)')
}

const losetup = (...words: string[]): string => execFileSync('losetup', words, { encoding: 'utf8' }).trim()

/** Registers what detaches it. The device goes around the page cache, too. */
export async function loopDevice(
  t: { after(fn: () => unknown): void },
  bytes: number,
  { sector = 512, folder }: { sector?: number; folder?: string } = {},
): Promise<LoopDevice> {
  const backing = join(folder ?? (await scratch(t as never)), 'backing.img')
  await writeFile(backing, '')
  await truncate(backing, bytes)
  const path = losetup('--find', '--show', '--direct-io=on', `--sector-size=${sector}`, backing)
  let attached = true
  const detach = (): void => {
    if (attached) losetup('--detach', path)
    attached = false
  }
  t.after(detach)
  return { path, backing, detach }
}

/** Has the device look how long its file is now. */
export const lookAgain = ({ path }: LoopDevice): string => losetup('--set-capacity', path)
