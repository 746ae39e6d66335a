// SPDX-License-Identifier: Apache-2.0
// A served target for the guest's scripts: how it is started, where the guest finds it, and that a script succeeds.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ServedTarget, serve } from '../../kit/serve-process.ts'
import { Relay } from './relay.ts'
import { type GuestRun, runInGuest } from './vm.ts'

/** A folder that is gone after the test. */
export function folderFor(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lunkit-linux-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

/** The guest's variables for a target: its portal and its name. */
export function addressOf(target: ServedTarget): { PORTAL: string; IQN: string } {
  const { host, pathname } = new URL(target.ready.luns[0]!.url)
  return { PORTAL: host, IQN: pathname.split('/')[1]! }
}

const port = (target: ServedTarget) => Number(addressOf(target).PORTAL.split(':')[1])

/** A served target, ended after the test. */
export async function serving(t: TestContext, ...args: readonly string[]): Promise<ServedTarget> {
  const target = await serve(args)
  t.after(() => target.stop('SIGKILL'))
  return target
}

/** A served target behind a relay, which can be killed and started again without the initiator's knowing. */
export async function relayed(t: TestContext, ...args: readonly string[]) {
  let target = await serve(args)
  t.after(() => target.stop('SIGKILL'))
  const relay = await Relay.start(port(target))
  t.after(() => relay[Symbol.asyncDispose]())
  return {
    relay,
    portal: `127.0.0.1:${relay.port}`,
    get target() {
      return target
    },
    /** `away` is what passes until it comes back. */
    restart: async (away: () => Promise<unknown> = async () => {}) => {
      await relay.shut()
      await target.stop('SIGKILL')
      await away()
      target = await serve(args)
      relay.target = port(target)
      await relay.open()
    },
  }
}

/** Runs one of the guest's scripts against a target and expects that all its steps succeed. */
export async function succeeds(
  t: TestContext,
  target: ServedTarget,
  script: string,
  run: Omit<GuestRun, 'script'> = {},
): Promise<void> {
  const result = await runInGuest({
    ...run,
    script: join(import.meta.dirname, 'guest', script),
    env: { ...addressOf(target), ...run.env },
  })
  const errors = target.stderr()
  assert.equal(result.status, 0, `${result.output}\n--- kernel\n${result.kernelLog}\n--- target\n${errors}`)
  for (const line of result.output.trimEnd().split('\n')) t.diagnostic(line)
}

export async function endsWell(target: ServedTarget): Promise<void> {
  assert.equal(await target.stop('SIGTERM'), 0, target.stderr())
}
