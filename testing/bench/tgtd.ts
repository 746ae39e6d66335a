// SPDX-License-Identifier: Apache-2.0
// tgtd, the target to compare with: started in the foreground for itself alone, with its own control socket and port.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Content, freePort, type Peer } from './peer.ts'

const execute = promisify(execFile)

const NAME = 'iqn.2026-11.test:bench'
/** tgtd declares 8 KiB unless told otherwise, which makes the initiator the limit of large writes. */
const SEGMENT_LENGTH = 262_144
const START_MS = 10_000

/**
 * Files, or tgtd's null store; as it is packaged or with long segments. Its disks begin with LUN 1: LUN 0 is its
 * controller. Rejects with tgtd's own words where it cannot start.
 */
export async function startTgtd(tuned: boolean, content: Content, prefix: readonly string[]): Promise<Peer> {
  const stores =
    content.kind === 'null'
      ? [['--bstype', 'null', '-b', '1G']]
      : content.files.map(file => ['--bstype', 'rdwr', '-b', file])
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-tgtd-'))
  const env = {
    ...process.env,
    PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
    TGT_IPC_SOCKET: join(folder, 'control'),
  }
  const port = await freePort()
  const [program, ...words] = [...prefix, 'tgtd', '-f', '-C', '1', '--iscsi', `portal=127.0.0.1:${port}`]
  const child = spawn(program!, words, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<void>(resolve => void child.once('close', () => resolve()))
  const kill = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    // Asked politely it waits for initiators that may have gone without a word.
    kill()
    await ended
    process.removeListener('exit', kill)
  }
  let log = ''
  child.stderr.on('data', data => {
    log += data
  })
  child.once('error', error => {
    log += error.message
  })
  const admin = (...rest: string[]): Promise<unknown> =>
    execute('tgtadm', ['-C', '1', '--lld', 'iscsi', ...rest], { env, timeout: 5000 })
  try {
    await untilReady(() => admin('--op', 'show', '--mode', 'sys'), child)
    const target = ['--tid', '1', '--mode', 'target']
    await admin('--op', 'new', ...target, '-T', NAME)
    for (const [index, store] of stores.entries())
      await admin('--op', 'new', '--tid', '1', '--mode', 'logicalunit', '--lun', String(index + 1), ...store)
    if (tuned)
      await admin('--op', 'update', ...target, '-n', 'MaxRecvDataSegmentLength', '-v', String(SEGMENT_LENGTH))
    await admin('--op', 'bind', ...target, '-I', 'ALL')
  } catch (error) {
    await stop()
    throw new Error(`tgtd did not start: ${(error as Error).message} ${log}`)
  }
  const urls = stores.map((_, index) => `iscsi://127.0.0.1:${port}/${NAME}/${index + 1}`)
  return { urls, pid: child.pid!, stop }
}

async function untilReady(ask: () => Promise<unknown>, child: { exitCode: number | null }): Promise<void> {
  const end = Date.now() + START_MS
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (Date.now() > end || child.exitCode !== null) throw error
      await sleep(50)
    }
  }
}
