// SPDX-License-Identifier: Apache-2.0
// Boots Debian's kernel in QEMU, runs a shell script in it and gives the script's status and output.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { Cpio } from './cpio.ts'
import { currentKernel } from './debian.ts'
import { ensureImage, imageIsBuilt } from './image.ts'
import { kernelPackage } from './packages.ts'
import { environment, installed } from './process.ts'
import type { Relay } from './relay.ts'
import { ScriptChannel } from './script-channel.ts'

export type GuestRun = {
  /** Path of the shell script; what is in guest/ here is in the guest's /job. */
  script: string
  /** Variables for the script. */
  env?: Readonly<Record<string, string>>
  /** What `host cut`, `hold`, `release` and `strand` in the guest act on; its port is RELAY in the guest. */
  relay?: Relay
  /** What `host NAME` in the guest calls and waits for; if it throws, `host` ends with status 1. */
  on?: Readonly<Record<string, () => void | Promise<void>>>
  /** A folder of this machine that the guest sees, read-only, at /host. */
  share?: string
  /** Mebibytes of memory; 512 if not given. */
  memory?: number
  /** After this time the machine is ended and the call fails; 120 if not given. */
  timeoutSeconds?: number
  /** Gets the script's output as it comes. */
  onOutput?: (text: string) => void
}

export type GuestResult = {
  /** The script's exit status. */
  status: number
  /** What the script wrote to its standard output and error. */
  output: string
  /** The kernel's messages. */
  kernelLog: string
}

/** Whether a guest can run on this machine, and if not, what it lacks. */
export function available(): { ok: true } | { ok: false; missing: string } {
  const lacks = (missing: string) => ({ ok: false as const, missing })
  if (process.platform !== 'linux' || process.arch !== 'x64') return lacks('Linux on x86-64')
  for (const program of ['qemu-system-x86_64', 'setpriv']) if (!installed(program)) return lacks(program)
  if (imageIsBuilt()) return { ok: true }
  if (!existsSync('/etc/debian_version')) return lacks('Debian')
  for (const program of ['apt-get', 'apt-cache', 'dpkg', 'xz']) if (!installed(program)) return lacks(program)
  try {
    currentKernel(kernelPackage)
    return { ok: true }
  } catch {
    return lacks(`${kernelPackage} in the package lists of apt-get update`)
  }
}

/**
 * Runs a script in a new guest, in which 127.0.0.1 is this machine's loopback and iscsid runs.
 * Throws if QEMU fails, the guest's kernel panics or the time is up; the machine has ended in every case.
 */
export async function runInGuest(run: GuestRun): Promise<GuestResult> {
  const image = ensureImage()
  const mark = `\u0001${randomUUID()} `
  const initrd = openInitrd(image.root, jobArchive(run, mark))
  let qemu: ChildProcess
  try {
    qemu = startQemu(image.kernel, initrd, run)
  } finally {
    closeSync(initrd)
  }
  const timeoutSeconds = run.timeoutSeconds ?? 120
  let late = false
  const timer = setTimeout(() => {
    late = true
    qemu.kill('SIGKILL')
  }, timeoutSeconds * 1000)
  const [kernelLog, errors] = [new Text(qemu.stdio[3] as Duplex), new Text(qemu.stderr!)]
  const script = new ScriptChannel(qemu.stdio[4] as Duplex, mark, run)
  const end = await new Promise<string>(resolve => {
    qemu.on('error', error => resolve(error.message))
    qemu.on('close', (code, signal) => resolve(signal ?? `status ${code}`))
    script.onExit = () => qemu.kill('SIGKILL')
  })
  clearTimeout(timer)
  if (script.status !== undefined) {
    return { status: script.status, output: script.output, kernelLog: kernelLog.text }
  }
  const reason = late ? `Guest ran longer than ${timeoutSeconds} s` : `QEMU ended by itself: ${end}`
  const [last, output] = [kernelLog.text.slice(-4000), script.output.slice(-4000)]
  throw new Error(`${reason}\n${errors.text}\n--- script\n${output}\n--- kernel\n${last}`)
}

/** Opens the first file system, the image's and the job's, as a file that has no name any more. */
function openInitrd(root: string, job: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-guest-'))
  const file = join(folder, 'initrd')
  try {
    const descriptor = openSync(file, 'wx+')
    for (const bytes of [readFileSync(root), job]) writeFileSync(descriptor, bytes)
    return descriptor
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function jobArchive(run: GuestRun, mark: string): Buffer {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
  const variables = { ...run.env, MARK: mark, ...(run.relay && { RELAY: String(run.relay.port) }) }
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}\n`)
  const job = new Cpio()
  job.file('init', readFileSync(join(import.meta.dirname, 'guest/init.sh')))
  job.file('bin/host', readFileSync(join(import.meta.dirname, 'guest/host.sh')))
  job.folder('job')
  job.tree(join(import.meta.dirname, 'guest'), 'job/')
  job.file('job/script', readFileSync(run.script))
  job.file('job/environment', lines.join(''))
  return job.end()
}

/** The machine; standard streams 3 and 4 are its serial ports, the kernel's messages and the script's output. */
function startQemu(kernel: string, initrd: number, { memory = 512, share }: GuestRun): ChildProcess {
  const settings = ['quiet loglevel=6 panic=-1 reboot=t mitigations=off cryptomgr.notests net.ifnames=0']
  const args = [
    ...['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(memory)],
    ...['-machine', 'pc', '-nodefaults', '-no-reboot', '-display', 'none'],
    ...[
      '-kernel',
      kernel,
      '-initrd',
      '/proc/self/fd/5',
      '-append',
      `console=ttyS0 no_timer_check ${settings}`,
    ],
    ...['-chardev', 'socket,id=kernel,fd=3', '-serial', 'chardev:kernel'],
    ...['-chardev', 'socket,id=script,fd=4', '-serial', 'chardev:script'],
    ...['-netdev', 'user,id=host', '-device', 'virtio-net-pci,netdev=host,status=off,romfile='],
    ...(share === undefined ? [] : sharing(share)),
  ]
  // The host's kernel ends QEMU when this process ends, however that comes about
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', initrd],
    env: environment(),
  })
}

const sharing = (folder: string): string[] => [
  ...['-fsdev', `local,id=host,path=${folder.replaceAll(',', ',,')},security_model=none,readonly=on`],
  ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
]

class Text {
  text = ''

  constructor(stream: NodeJS.ReadableStream) {
    stream.setEncoding('utf8').on('data', data => {
      this.text += data
    })
    stream.on('error', () => {})
  }
}
