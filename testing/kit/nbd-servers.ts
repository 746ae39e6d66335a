// SPDX-License-Identifier: Apache-2.0
// Real NBD servers for a test: nbdkit and qemu-nbd on a Unix socket or a port of their own, gone when the test ends.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What registers the end: a TestContext does. */
export interface Ends {
  after(fn: () => Promise<void>): void
}

export class NbdServer {
  readonly #words: readonly string[]
  readonly #way: { path: string } | { host: string; port: number }
  #child: ChildProcess | null = null

  constructor(words: readonly string[], way: { path: string } | { host: string; port: number }) {
    this.#words = words
    this.#way = way
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const [program, ...rest] = this.#words
    const child = spawn(program!, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', data => {
      errors += data
    })
    this.#child = child
    const killOnExit = (): void => void child.kill('SIGKILL')
    process.once('exit', killOnExit)
    child.once('close', () => process.removeListener('exit', killOnExit))
    while (!(await takes(this.#way))) {
      if (child.exitCode !== null) throw new Error(`${this.#words.join(' ')} ended: ${errors}`)
      await sleep(10)
    }
  }

  /** Ends it, and waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const closed = new Promise(resolve => child.once('close', resolve))
    child.kill(signal)
    await closed
  }
}

const takes = (way: { path: string } | { host: string; port: number }): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(way)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** nbdkit with these words behind its own, listening on `socket`. */
export async function nbdkit(context: Ends, socket: string, ...words: string[]): Promise<NbdServer> {
  const server = new NbdServer(['nbdkit', '-f', '-U', socket, ...words], { path: socket })
  context.after(() => server.stop())
  await server.start()
  return server
}

/** nbdkit on a free TCP port of that address, which is given back. */
export async function nbdkitOnPort(
  context: Ends,
  host: string,
  ...words: string[]
): Promise<{ server: NbdServer; port: number }> {
  const port = await freePort(host)
  const way = { host, port }
  const server = new NbdServer(['nbdkit', '-f', '-i', way.host, '-p', String(port), ...words], way)
  context.after(() => server.stop())
  await server.start()
  return { server, port }
}

/** qemu-nbd for up to eight clients, which stays when they have left. */
export async function qemuNbd(context: Ends, socket: string, ...words: string[]): Promise<NbdServer> {
  const server = new NbdServer(['qemu-nbd', '-k', socket, '-t', '-e', '8', ...words], { path: socket })
  context.after(() => server.stop())
  await server.start()
  return server
}

/** A new image. */
export const makeImage = (format: string, path: string, size: string): void =>
  void execFileSync('qemu-img', ['create', '-q', '-f', format, path, size])
