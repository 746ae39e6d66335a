// SPDX-License-Identifier: Apache-2.0
// `lunkit serve`: LUN arguments in, iSCSI URLs out, until a signal.

import { Command } from 'commander'
import { ACCESS_HELP, readAccess, withAccess } from '../access-flags.ts'
import { TargetControl } from '../control/commands.ts'
import { CONTROL_HELP, dispatcher } from '../control/dispatcher.ts'
import { answerWords, type Reply } from '../control/reply.ts'
import { openControlSocket } from '../control/socket.ts'
import { takeCommands } from '../control/standard-input.ts'
import type { ExplainFlags } from '../explanation.ts'
import { KIND_LINES, linesOf } from '../kind-lines.ts'
import { lookAgain } from '../look-again.ts'
import { lunLines, sayEvent, sayTo, sayWaiting } from '../say.ts'
import { graceOf, type TargetFlags, targetOptions } from '../serve-options.ts'
import { reportOnSignal, stopOnSignal } from '../signals.ts'
import { defaultStateFolder } from '../state-folder.ts'
import { createTarget } from '../target-face/create-target.ts'
import { LIMITS_HELP } from '../target-face/guard.ts'
import type { Role } from '../target-face/plug-ins.ts'
import type { RunningTarget } from '../target-face/running-target.ts'
import { UsageError } from '../usage-error.ts'
import { WATCH_HELP, withWatch } from '../watch-options.ts'

export { kindHelp } from '../kind-help.ts'
export { KINDS } from '../target-face/plug-ins.ts'

interface ServeFlags extends TargetFlags, ExplainFlags {
  readonly control?: true
  readonly controlSocket?: string
  readonly json?: true
}

/** What is served when no LUN is named: a new image of this name and size in the current folder. */
const DEFAULT_LUN = 'lunkit.img,size=1G'
const of = (...roles: readonly Role[]): string =>
  linesOf(KIND_LINES.filter(({ role }) => roles.includes(role)))
const HELP = `
A LUN is [DEVICE:][FILTER:...][STORE:]ARGUMENT[,key=value...]; a bare path is a file. They become LUN 0, 1, 2 ... in order.
${of('store', 'device')}
Filters stand in front of any store, the one next to the device first:
${of('filter')}
'lunkit help KIND' lists the keys of each kind, as in 'lunkit help nbd' or 'lunkit help overlay'; docs/cookbook/storage.md tells more.
NAME.key=value is for the layer NAME alone, as in overlay:golden.img,file.readonly=yes. With wait=SECONDS of handler:, user:, nbd:,
iscsi: and passthrough: a handler, server or unit that is not there yet is waited for at the start (10 or 20 s if not given).

Keys of every disk (readonly=yes, for one; K, M, G and T are powers of 1024; a comma in a path is written '\\,'):
  readonly, removable          refuse every write; a medium that can be ejected
  block, physical              logical and physical block size: 512 and 4096 if not given
  serial, naa, vendor, product its names; serial and naa follow from the machine and the path if not given
  and others                   'lunkit help disk' lists them: protection information, write cache, more names
Without a LUN, ./lunkit.img is served, and created with 1 GiB if it does not exist.

Reservations that outlive the target and saved mode pages are in the state folder; 'lunkit state' shows them. Memory,
null disks and objects keep nothing unless they have a serial or naa.

Portals with different tags are paths of their own to the same LUNs (multipath, ALUA). Their states are
active/optimized, active/non-optimized, standby, unavailable and offline. SIGUSR2 has it look again how long each
storage is, so that initiators hear of a disk that has grown, and read its certificates anew.

${ACCESS_HELP}

${WATCH_HELP}

Keys of --iscsi have their names from RFC 7143: MaxBurstLength (1M), FirstBurstLength (128K), MaxRecvDataSegmentLength (256K),
MaxOutstandingR2T (16), MaxConnections (8), ErrorRecoveryLevel (2), DefaultTime2Retain (20), InitialR2T (no), ImmediateData
(yes), HeaderDigest and DataDigest (CRC32C,None; with CRC32C alone, initiators must use it).

Limits of --limit; docs/cookbook/tls.md says what each is for:
${LIMITS_HELP}.

With --redirect nobody is served: who logs in is told to go there, once it has proved who it is. A signal has initiators asked
to log out, within the time of --drain; what has not by then is dropped.

With --control, lines of standard input are commands; with --control-socket so are lines of programs that connect to that Unix
socket, which is made for its owner alone ('lunkit control' sends one, docs/cookbook/control.md has the protocol):
${CONTROL_HELP}

Secrets come from files, or from LUNKIT_CHAP_SECRET and LUNKIT_MUTUAL_SECRET, never from an argument.

  lunkit serve disk.img --portal 0.0.0.0 --chap-user alice --chap-secret-file ./secret
  lunkit serve disk.img --portal 0.0.0.0,tls --tls-cert cert.pem --tls-key key.pem --tls-client-ca ca.pem
  lunkit serve disk.img --portal 10.0.0.1,1 --portal 10.1.0.1,2 --port-group 2=standby --initiator 'iqn.*:host1'
  exec 3< <(lunkit serve disk.img --json) && read -r ready <&3     # bash; it serves until it is killed
  qemu-img info "$(jq -r '.luns[0].url' <<< "$ready")"`

const collect = (value: string, all: string[] = []): string[] => [...all, value]

export function build(): Command {
  const serving = new Command('serve')
    .argument('[lun...]', 'what to serve, as told below (lunkit.img,size=1G)')
    .option(
      '--portal <address>',
      'HOST[:PORT][,TAG][,tls][,advertise=HOST[:PORT]]; repeatable, port 0 picks one (127.0.0.1:3260)',
      collect,
    )
    .option('--tls-cert <path>', 'certificate of portals with tls, PEM')
    .option('--tls-key <path>', 'its private key')
    .option('--tls-client-ca <path>', 'initiators need a certificate signed by it')
    .option('--tls-client-cert <how>', 'require, request or none, where --tls-client-ca is given (require)')
    .option(
      '--port-group <tag=state>',
      'asymmetric access state of the portals of that tag; repeatable',
      collect,
    )
    .option('--explicit-alua', 'initiators may change these states')
    .option('--name <iqn>', "the target's iSCSI name")
  withAccess(serving)
    .option(
      '--redirect <address>',
      'send initiators to [TAG=]HOST[:PORT][,TAG] (TAG=: those of that portal group); repeatable',
      collect,
    )
    .option('--redirect-permanent', 'they may remember it')
    .option('--drain <seconds>', 'how long they have to log out when it is to end (3)')
    .option('--control', 'take commands from standard input, one a line')
    .option('--control-socket <path>', "take them on a Unix socket, as 'lunkit control' sends them")
    .option('--async-events', 'tell initiators at once of a changed capacity or list of LUNs')
    .option(
      '--poll <microseconds>',
      'how long to look for the next request before sleeping; 0 for never (100)',
    )
    .option('--isns <address>', 'register with the iSNS server HOST[:PORT]; repeatable', collect)
    .option('--isns-entity <name>', 'as this network entity')
    .option('--isns-esi-port <port>', 'answer its inquiries on this port (a free one)')
    .option('--open', 'allow a public portal that anybody can log in to')
    .option('--limit <name=number>', 'a limit against hostile initiators; repeatable', collect)
    .option('--trust <address>', 'addresses or subnets without limits for each address; repeatable', collect)
    .option('--iscsi <key=value>', 'what the target asks for in login; repeatable', collect)
    .option('--state <folder>', 'keep reservations and saved settings there', defaultStateFolder())
    .option('--no-state', 'keep nothing beyond this run')
    .option('--json', 'events as JSON, one a line; the first is "ready"')
  return withWatch(serving)
    .addHelpText('after', HELP)
    .action((luns: string[], flags: ServeFlags) => serve(luns, flags))
}

async function serve(luns: readonly string[], flags: ServeFlags): Promise<void> {
  let target: RunningTarget | null = null
  const look = async () => [{ sessions: target?.sessions() ?? [], logins: target?.logins() ?? [] }]
  reportOnSignal(look, flags.json === true)
  const access = await readAccess(flags)
  const graceMs = graceOf(flags.drain)
  const options = targetOptions(luns.length === 0 ? [DEFAULT_LUN] : luns, flags)
  if (flags.explain !== undefined) {
    const { explainServe } = await import('../explanation.ts')
    await explainServe(flags, access, options)
    return
  }
  const alone = [flags.explainAddress, flags.explainPortal, flags.explainUser].some(one => one !== undefined)
  if (alone) {
    throw new UsageError(
      'EXPLAIN',
      '--explain-address, --explain-portal and --explain-user ask about nobody',
      'add --explain INITIATOR',
    )
  }
  const socket = await openControlSocket(flags.controlSocket)
  let stopListening: (() => void) | null = null
  try {
    const say = sayTo(flags.json === true)
    const waiting = (reason: string): void => sayWaiting(say, reason)
    const serving = await createTarget({ ...options, ...access, waiting })
    const stopped = stopOnSignal(() => serving.close({ graceMs }), graceMs)
    if (process.platform !== 'win32') process.on('SIGUSR2', () => void lookAgain(serving, flags, say))
    target = serving
    const { obey } = new TargetControl(serving)
    socket.obey = dispatcher([{ name: serving.name, serves: true, obey }])
    announce(serving, flags.json === true)
    serving.on('event', event => sayEvent(say, event))
    if (flags.control)
      stopListening = takeCommands(socket.obey, (line, reply) => tellReply(line, reply, flags.json === true))
    await stopped
  } finally {
    // They would keep the process.
    stopListening?.()
    socket.close()
  }
}

function tellReply(line: string, reply: Reply, json: boolean): void {
  if (json) {
    const told = 'error' in reply ? { error: reply.error } : reply.answer
    process.stdout.write(`${JSON.stringify({ event: 'control', line, ...told })}\n`)
  } else if ('error' in reply) {
    const { message, hint } = reply.error
    process.stderr.write(`${line}: ${message}${hint === '' ? '' : ` (${hint})`}\n`)
  } else process.stderr.write(`${line}: ${answerWords(reply.answer)}\n`)
}

function announce(target: RunningTarget, json: boolean): void {
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ event: 'ready', portals: target.portals, luns: target.luns })}\n`,
    )
    return
  }
  process.stdout.write(lunLines(target.luns))
  process.stdout.write(`Ready on ${target.portals.join(', ')}. Ctrl-C ends it.\n`)
}
