// SPDX-License-Identifier: Apache-2.0
// Runs Debian's tgtd for a test: a target that this project did not write, with one disk as LUN 1.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'

const TGTD = '/usr/sbin/tgtd'
const TGTADM = '/usr/sbin/tgtadm'
/** Numbers of management sockets, of 15 bits: tgtd's own default is 0, and test files run side by side. */
const CONTROLS = 100 + (process.pid % 3_000) * 10
let started = 0
const run = promisify(execFile)

export const TARGET = 'iqn.2000-01.org.example:disk'
export const DISK_BYTES = 64 * 1024 * 1024
export const hasTgtd = (): boolean => existsSync(TGTD) && existsSync(TGTADM)

export class Tgtd {
  readonly port: number
  readonly #control: string
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(port: number, control: string, child: ChildProcess, folder: string) {
    this.port = port
    this.#control = control
    this.#child = child
    this.#folder = folder
  }

  /** At most ten at once of a process. */
  static async start(): Promise<Tgtd> {
    const control = String(CONTROLS + (started++ % 10))
    const port = await freePort()
    const folder = await mkdtemp(join(tmpdir(), 'lunkit-tgtd-'))
    const child = spawn(TGTD, ['-f', '-C', control, '--iscsi', `portal=127.0.0.1:${port}`], {
      stdio: 'ignore',
    })
    const tgtd = new Tgtd(port, control, child, folder)
    try {
      await tgtd.#ready()
      await tgtd.#addDisk()
      return tgtd
    } catch (error) {
      await tgtd[Symbol.asyncDispose]()
      throw error
    }
  }

  async #ready(): Promise<void> {
    for (let left = 100; ; left--) {
      if (this.#child.exitCode !== null) throw new Error(`tgtd ended with ${this.#child.exitCode}`)
      try {
        await this.admin('--mode', 'system', '--op', 'show')
        return
      } catch (error) {
        if (left === 0) throw error
        await wait(50)
      }
    }
  }

  async #addDisk(): Promise<void> {
    const image = join(this.#folder, 'disk.img')
    const file = await open(image, 'w')
    await file.truncate(DISK_BYTES)
    await file.close()
    await this.target('new', '-T', TARGET)
    await this.admin('--mode', 'logicalunit', '--op', 'new', '--tid', '1', '--lun', '1', '-b', image)
    const thin = ['--lun', '1', '--params', 'thin_provisioning=1']
    await this.admin('--mode', 'logicalunit', '--op', 'update', '--tid', '1', ...thin)
    await this.target('bind', '-I', 'ALL')
  }

  /** Runs tgtadm with these arguments. */
  async admin(...args: string[]): Promise<void> {
    await run(TGTADM, ['-C', this.#control, '--lld', 'iscsi', ...args])
  }

  async target(op: string, ...args: string[]): Promise<void> {
    await this.admin('--mode', 'target', '--op', op, '--tid', '1', ...args)
  }

  /** What the target would agree to for a text key. */
  async set(key: string, value: string): Promise<void> {
    await this.target('update', '--name', key, '--value', value)
  }

  /** Makes an account; the one that the target proves itself with is its `outgoing` one. */
  async account(user: string, secret: string, outgoing = false): Promise<void> {
    await this.admin('--mode', 'account', '--op', 'new', '--user', user, '--password', secret)
    const bind = ['--mode', 'account', '--op', 'bind', '--tid', '1', '--user', user]
    await this.admin(...bind, ...(outgoing ? ['--outgoing'] : []))
  }

  async dropAccount(user: string): Promise<void> {
    await this.admin('--mode', 'account', '--op', 'delete', '--user', user)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise(resolve => this.#child.once('exit', resolve))
      this.#child.kill('SIGKILL')
      await ended
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A port that was free a moment ago: tgtd cannot choose one by itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
