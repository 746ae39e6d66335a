// SPDX-License-Identifier: Apache-2.0
// istgt, the faster of the packaged targets: started for itself alone, with a configuration and a port of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Content, freePort, type Peer } from './peer.ts'

const BASE = 'iqn.2026-11.test'
const START_MS = 10_000

/** With `queueDepth` 0 reads and writes are made in the connection's own thread. Rejects with istgt's own words. */
export async function startIstgt(
  queueDepth: number,
  { files }: Content,
  prefix: readonly string[],
): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-istgt-'))
  const port = await freePort()
  const settings = join(folder, 'istgt.conf')
  writeFileSync(settings, configuration(folder, port, await freePort(), files, queueDepth))
  writeFileSync(join(folder, 'auth.conf'), '')
  const words = [...prefix, 'istgt', '-D', '-c', settings, '-p', join(folder, 'pid')]
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
  const child = spawn(words[0]!, words.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>(resolve => void child.once('close', () => resolve()))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      log = (log + data).slice(-4000)
    })
  }
  child.once('error', error => {
    log += error.message
  })
  const kill = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    kill()
    await ended
    process.removeListener('exit', kill)
  }
  try {
    await untilListening(port, child)
  } catch (error) {
    await stop()
    throw new Error(`istgt did not start: ${(error as Error).message} ${log}`)
  }
  const urls = files.map((_, lun) => `iscsi://127.0.0.1:${port}/${BASE}:bench/${lun}`)
  return { urls, pid: child.pid!, stop }
}

function configuration(
  folder: string,
  port: number,
  control: number,
  files: readonly string[],
  queueDepth: number,
): string {
  return `[Global]
  NodeBase "${BASE}"
  PidFile ${join(folder, 'pid')}
  AuthFile ${join(folder, 'auth.conf')}
  MediaDirectory ${folder}
  DiscoveryAuthMethod Auto
  MaxSessions 128
  MaxConnections 4
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
  ImmediateData Yes
[UnitControl]
  AuthMethod Auto
  Portal UC1 127.0.0.1:${control}
  Netmask 127.0.0.1
[PortalGroup1]
  Portal DA1 127.0.0.1:${port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask 127.0.0.0/8
[LogicalUnit1]
  TargetName bench
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod Auto
  UseDigest Auto
  UnitType Disk
  QueueDepth ${queueDepth}
${files.map((file, lun) => `  LUN${lun} Storage ${file} ${statSync(file).size >> 20}MB\n`).join('')}`
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  const end = Date.now() + START_MS
  for (;;) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    if (Date.now() > end || child.exitCode !== null) throw new Error('it does not listen')
    await sleep(50)
  }
}
