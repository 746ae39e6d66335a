// SPDX-License-Identifier: Apache-2.0
// A PC with a BIOS in QEMU, without a disk of its own, that boots from what it is given and ends by itself.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A boot takes a few seconds; this is for machines that are busy with other things. */
const LIMIT_MS = 120_000

export interface Boot {
  /** QEMU's exit status, or the signal that ended it. */
  readonly end: number | string
  /** What the boot sector printed. */
  readonly printed: string
  /** What the BIOS, and iPXE, printed; and what QEMU said. */
  readonly screen: string
}

/**
 * Boots with these arguments of QEMU, which say from what, in this order (`n` network, `c` disk, `d` CD). `folder` takes the output.
 * If there is nothing to boot, the machine ends.
 */
export async function boot(
  folder: string,
  order: 'n' | 'c' | 'd',
  ...from: readonly string[]
): Promise<Boot> {
  const [screen, printed] = [join(folder, 'screen'), join(folder, 'printed')]
  const args = [
    ...[
      '-accel',
      'tcg',
      '-machine',
      'pc,graphics=off',
      '-m',
      '64',
      '-nodefaults',
      '-no-reboot',
      '-display',
      'none',
    ],
    ...['-serial', `file:${screen}`, '-serial', `file:${printed}`],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
    ...['-boot', `order=${order},reboot-timeout=0`],
    ...from,
  ]
  // The host's kernel ends QEMU when this process ends, however that comes about
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  let errors = ''
  qemu.stderr.on('data', data => void (errors += data))
  const end = await new Promise<number | string>((resolve, reject) => {
    qemu.on('error', reject)
    qemu.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing'))
  })
  const text = (path: string): string => readFileSync(path, 'latin1')
  return { end, printed: text(printed), screen: `${text(screen)}${errors}` }
}
