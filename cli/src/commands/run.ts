// SPDX-License-Identifier: Apache-2.0
// `lunkit run`: several targets from one file, in one process or spread over some, until a signal.
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { openControlSocket } from '../control/socket.ts'
import { checkLuns } from '../run/check-luns.ts'
import { MOST_PROCESSES, readConfig } from '../run/config-file.ts'
import { keysAt } from '../run/config-keys.ts'
import { Fleet } from '../run/fleet.ts'
import { planOf } from '../run/plan.ts'
import { fromReadyOn, lunLines, sayTo } from '../say.ts'
import { graceOf } from '../serve-options.ts'
import { reportOnSignal, stopOnSignal } from '../signals.ts'
import { defaultStateFolder } from '../state-folder.ts'
import { UsageError } from '../usage-error.ts'

interface RunFlags {
  readonly processes?: string
  readonly controlSocket?: string
  readonly json?: boolean
}

const wrap = (names: readonly string[]): string => names.join(', ').replace(/(.{70,100},) /g, '$1\n  ')

const HELP = `
The file is YAML or JSON; its keys are named like the flags of 'lunkit serve', which tells what they do. Paths in it begin at
its own folder.

  portal: 127.0.0.1:3260
  targets:
    - name: iqn.2026-11.org.example:mail
      luns: [mail.img, 'mail-log.img,size=4G']        # as 'lunkit serve' takes them
      chap-file: mail.users
    - name: iqn.2026-11.org.example:build
      luns:
        - { file: build.img, size: 100G, serial: B1 } # or key by key
      process: 2

A LUN that is written key by key begins with its kind, such as { overlay: base.img, file.readonly: yes } or { cdrom: '' };
'lunkit help KIND' lists the keys of each. One that is named like the kind has its layer before it (disk.block, delay.delay).

At the top, for all targets:
  processes, ${wrap(keysAt(['all']))}
At a target, or at the top for all targets that do not say otherwise:
  ${wrap(keysAt(['each']))}
At a target:
  luns, process, ${wrap(keysAt(['own']))}

With --processes, targets are spread over that many processes, in turn or as 'process' says. This one keeps the portals,
answers discovery and hands each login to the process of its target. One that crashes takes its own targets down, no others,
and is started again. SIGUSR1 and SIGUSR2 do for all what they do for 'lunkit serve'.

With --control-socket, lines of programs that connect to that Unix socket change targets while they run, as for 'lunkit serve'
('lunkit help control'). Where there are several targets, 'target NAME' stands before each. The file is not changed by them.

  lunkit run targets.yaml --processes 4
  lunkit run targets.yaml --control-socket ./control`

export function build(): Command {
  return new Command('run')
    .argument('<file>', 'targets and what they share, YAML or JSON')
    .option('--processes <number>', 'spread the targets over so many processes (1)')
    .option('--control-socket <path>', "take commands on a Unix socket, as 'lunkit control' sends them")
    .option('--json', 'events as JSON, one a line; the first is "ready"')
    .addHelpText('after', HELP)
    .action((file: string, flags: RunFlags) => run(file, flags))
}

async function run(file: string, { processes, controlSocket, json = false }: RunFlags): Promise<void> {
  let fleet: Fleet | null = null
  reportOnSignal(async () => (await fleet?.report()) ?? [], json)
  const count = processes === undefined ? null : numberOf(processes)
  const path = resolve(file)
  const config = await readConfig(path)
  const plan = planOf(config, count, defaultStateFolder())
  const graceMs = graceOf(plan.flags.drain)
  await checkLuns(config)
  // Named by who gives the command, not by the file.
  const socket = await openControlSocket(controlSocket)
  try {
    process.chdir(dirname(path))
    const { say, begin } = fromReadyOn(sayTo(json))
    const serving = await Fleet.open(plan, say)
    const stopped = stopOnSignal(() => serving.close(graceMs), graceMs)
    if (process.platform !== 'win32') process.on('SIGUSR2', () => void serving.look())
    fleet = serving
    socket.obey = serving.obey
    announce(serving, json)
    begin()
    await stopped
  } finally {
    // It would keep the process.
    socket.close()
  }
}

function announce({ addresses, luns, processes }: Fleet, json: boolean): void {
  if (json) {
    const shown = luns.map(({ storage: _, ...lun }) => lun)
    const ready = { event: 'ready', portals: addresses, luns: shown, processes }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
    return
  }
  process.stdout.write(lunLines(luns))
  const by = processes.length === 1 ? '' : `, in ${processes.length} processes`
  process.stdout.write(`Ready on ${addresses.join(', ')}${by}. Ctrl-C ends it.\n`)
}

function numberOf(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= MOST_PROCESSES) return number
  throw new UsageError(
    'OPTION_VALUE',
    `'${text}' is no value for --processes`,
    `give a number from 1 to ${MOST_PROCESSES}`,
  )
}
