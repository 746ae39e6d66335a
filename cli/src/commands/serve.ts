// SPDX-License-Identifier: Apache-2.0
// `lunkit serve`: LUN arguments in, iSCSI URLs out, until a signal.

import { OperatorError, type TargetEvent } from '@lunkit/target-api'
import { Command } from 'commander'
import { ACCESS_HELP, type AccessFlags, readAccess, readsFiles, withAccess } from '../access-flags.ts'
import { CONTROL_HELP, type ControlAnswer, takeCommands } from '../control-lines.ts'
import { describeError, ExitCode } from '../exit.ts'
import type { ExplainFlags } from '../explanation.ts'
import { type IsnsFlags, isnsOptions } from '../isns-flags.ts'
import { redirectOptions } from '../redirect-flags.ts'
import { defaultStateFolder } from '../state-folder.ts'
import { createTarget, type TargetOptions } from '../target-face/create-target.ts'
import { LIMITS_HELP, parseGuard } from '../target-face/guard.ts'
import type { IscsiKeys } from '../target-face/iscsi-keys.ts'
import type { AccessStateName } from '../target-face/port-groups.ts'
import { parsePortal } from '../target-face/portal.ts'
import type { RunningTarget } from '../target-face/running-target.ts'
import { type TlsFlags, tlsSource } from '../tls-files.ts'
import { formatBytes } from '../units.ts'
import { UsageError } from '../usage-error.ts'
import { WATCH_HELP, type WatchFlags, watchOptions, withWatch } from '../watch-options.ts'

interface ServeFlags extends TlsFlags, IsnsFlags, WatchFlags, AccessFlags, ExplainFlags {
  readonly portal?: string[]
  readonly portGroup?: string[]
  readonly explicitAlua?: true
  readonly name?: string
  readonly redirect?: string[]
  readonly redirectPermanent?: true
  readonly drain?: string
  readonly control?: true
  readonly asyncEvents?: true
  readonly open?: true
  readonly iscsi?: string[]
  readonly limit?: string[]
  readonly trust?: string[]
  /** false: --no-state. */
  readonly state: string | false
  readonly json?: true
}

/** What is served when no LUN is named: a new image of this name and size in the current folder. */
const DEFAULT_LUN = 'lunkit.img,size=1G'
/** A drain takes at most this long if nothing else is asked for: the process ends well within five seconds of a signal. */
const GRACE_SECONDS = 3
/** This long after it, also stores that hang are left behind. */
const LATE_MS = 1500
/** What an initiator can be told. */
const LONGEST_DRAIN_SECONDS = 65_535

const HELP = `
A LUN is KIND:ARGUMENT[,key=value...]; a bare path is a file. They become LUN 0, 1, 2 ... in order.
  disk.img                     an image that exists
  new.img,size=10G             created, sparse, if it does not exist
  memory:256M                  in memory, gone at the end
  null:1T                      for measuring: writes are dropped, reads are zeros
  object:./storage.js          your own: a module whose default export has size and read

Keys of every disk (readonly=yes, for one; K, M, G and T are powers of 1024; a comma in a path is written '\\,'):
  readonly, removable          refuse every write; a medium that can be ejected
  block, physical              logical and physical block size: 512 and 4096 if not given
  protection, tags             protection information of type 1, 2 or 3, and its file (PATH.pi if not given)
  wce, rotation, cdb           write cache on at first; turns a minute, 1 for none; longest CDB, 16 or 32 bytes
  serial, naa, eui64, scsiname, t10id, vendor, product, revision, management
                               its names; serial and naa follow from the machine and the path if not given
Without a LUN, ./lunkit.img is served, and created with 1 GiB if it does not exist.

Reservations that outlive the target and saved mode pages are in the state folder; 'lunkit state' shows them. Memory,
null disks and objects keep nothing unless they have a serial or naa.

Portals with different tags are paths of their own to the same LUNs (multipath, ALUA). Their states are
active/optimized, active/non-optimized, standby, unavailable and offline. SIGUSR2 has it look again how long each
storage is, so that initiators hear of a disk that has grown, and read its certificates anew.

${ACCESS_HELP}

${WATCH_HELP}

Keys of --iscsi have their names from RFC 7143: MaxBurstLength (1M), FirstBurstLength (256K), MaxRecvDataSegmentLength (256K),
MaxOutstandingR2T (16), MaxConnections (8), ErrorRecoveryLevel (2), DefaultTime2Retain (20), InitialR2T (no), ImmediateData
(yes), HeaderDigest and DataDigest (CRC32C,None; with CRC32C alone, initiators must use it).

Limits of --limit; docs/cookbook/tls.md says what each is for:
${LIMITS_HELP}.

With --redirect nobody is served: who logs in is told to go there, once it has proved who it is. A signal has initiators asked
to log out, within the time of --drain; what has not by then is dropped. With --control, lines of standard input are commands:
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
    .argument('[lun...]', 'what to serve')
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
    .option('--async-events', 'tell initiators at once of a changed capacity or list of LUNs')
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
  const served: Served = { target: null }
  reportOnSignal(served, flags.json === true)
  const access = await readAccess(flags)
  const tls = tlsSource(flags)
  const graceMs = 1000 * drainSeconds(flags.drain)
  const options: TargetOptions = {
    luns: luns.length === 0 ? [DEFAULT_LUN] : luns,
    portal: flags.portal ?? ['127.0.0.1:3260'],
    state: flags.state === false ? null : flags.state,
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.open && { open: true }),
    ...(flags.asyncEvents && { asyncEvents: true }),
    ...redirectOptions(flags, flags.portal ?? []),
    ...(tls !== null && { tls }),
    guard: parseGuard(flags.limit ?? [], flags.trust ?? []),
    ...(flags.iscsi && { iscsi: keysOfFlags(flags.iscsi) }),
    ...isnsOptions(flags),
    ...portGroupsOf(flags),
    watch: watchOptions(flags),
  }
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
  const target = await createTarget({ ...options, ...access })
  const stopped = stopOnSignal(target, graceMs)
  lookOnSignal(target, flags)
  served.target = target
  announce(target, flags.json === true)
  target.on('event', event => tell(event, flags.json === true))
  const stopListening = flags.control
    ? takeCommands(target, (line, answer) => tellAnswer(line, answer, flags.json === true))
    : null
  await stopped
  stopListening?.()
}

function tellAnswer(line: string, answer: ControlAnswer | Error, json: boolean): void {
  const told = answer instanceof Error ? { error: describeError(answer) } : answer
  if (json) process.stdout.write(`${JSON.stringify({ event: 'control', line, ...told })}\n`)
  else if (answer instanceof Error) {
    const { message, hint } = describeError(answer)
    process.stderr.write(`${line}: ${message}${hint === '' ? '' : ` (${hint})`}\n`)
  } else {
    const words = Object.entries(answer).map(([name, value]) =>
      typeof value === 'string' ? `\n  ${name} ${value}`.trimEnd() : ` ${name}=${value}`,
    )
    process.stderr.write(`${line}: done${words.join('')}\n`)
  }
}

function drainSeconds(given: string | undefined): number {
  if (given === undefined) return GRACE_SECONDS
  const seconds = Number(given)
  if (given.trim() !== '' && seconds >= 0 && seconds <= LONGEST_DRAIN_SECONDS) return seconds
  throw new OperatorError('DRAIN_VALUE', `'--drain ${given}' is no time`, {
    hint: `give seconds, up to ${LONGEST_DRAIN_SECONDS}`,
  })
}

/** Target port groups, if anything is said of them: one for each tag. */
function portGroupsOf({
  portal = [],
  portGroup = [],
  explicitAlua,
}: ServeFlags): Pick<TargetOptions, 'portGroups'> {
  if (portGroup.length === 0 && explicitAlua === undefined) return {}
  const states = new Map(portGroup.map(text => text.split('=') as [string, AccessStateName | undefined]))
  const tags = new Set(portal.length === 0 ? [1] : portal.map(text => parsePortal(text).tag))
  for (const [tag, state] of states) {
    if (state !== undefined && tags.has(Number(tag))) continue
    throw new OperatorError(
      'PORT_GROUP_VALUE',
      state === undefined
        ? `'--port-group ${tag}' is no tag=state`
        : `No portal has the tag of '--port-group ${tag}=${state}'`,
      {
        hint: 'write --portal 10.1.0.1,2 --port-group 2=standby',
      },
    )
  }
  const groups = [...tags]
    .sort((a, b) => a - b)
    .map(tag => {
      const state = states.get(String(tag))
      return { portals: [tag], ...(state !== undefined && { state }) }
    })
  return { portGroups: { explicit: explicitAlua === true, ...(groups.length > 0 && { groups }) } }
}

/** Texts of --iscsi as keys; what they may be is checked where the target is made. */
function keysOfFlags(texts: readonly string[]): IscsiKeys {
  const keys: Record<string, string> = {}
  for (const text of texts) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
    if (name === undefined) {
      throw new OperatorError('ISCSI_KEY', `'--iscsi ${text}' is no key=value`, {
        hint: 'write --iscsi MaxBurstLength=256K',
      })
    }
    keys[name] = value!
  }
  return keys as IscsiKeys
}

function announce(target: RunningTarget, json: boolean): void {
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ event: 'ready', portals: target.portals, luns: target.luns })}\n`,
    )
    return
  }
  for (const { lun, url, bytes, store, group } of target.luns) {
    const to = group === null ? '' : `  (group ${group})`
    process.stdout.write(`LUN ${lun}  ${formatBytes(bytes).padStart(9)}  ${store.padEnd(6)}  ${url}${to}\n`)
  }
  process.stdout.write(`Ready on ${target.portals.join(', ')}. Ctrl-C ends it.\n`)
}

function tell(event: TargetEvent, json: boolean): void {
  if (json) {
    const { type, ...fields } = event
    process.stdout.write(`${JSON.stringify({ event: type, ...fields })}\n`)
    return
  }
  const { type, ...fields } = event
  const words = Object.entries(fields).filter(([, value]) => value !== '' && value !== null)
  process.stderr.write(`${type} ${words.map(([name, value]) => `${name}=${value}`).join(' ')}\n`)
}

/** SIGUSR2: somebody has changed the size of a storage by other means, or certificates. Windows has no such signal. */
function lookOnSignal(target: RunningTarget, flags: ServeFlags): void {
  if (process.platform === 'win32') return
  const json = flags.json === true
  const look = async (): Promise<void> => {
    for (const one of [...target.luns]) {
      const { lun } = one
      try {
        if (!(await one.rescan())) continue
        const { bytes } = one
        if (json) process.stdout.write(`${JSON.stringify({ event: 'resized', lun, bytes })}\n`)
        else process.stderr.write(`LUN ${lun} has ${formatBytes(bytes)} now\n`)
      } catch (error) {
        tell({ type: 'warning', reason: `LUN ${lun}: ${describeError(error).message}` }, json)
      }
    }
  }
  const reload = (): Promise<void> =>
    target
      .reloadCertificates()
      .catch(error => tell({ type: 'warning', reason: describeError(error).message }, json))
  const readmit = (): Promise<void> => (readsFiles(flags) ? changeAccess(target, flags) : Promise.resolve())
  process.on('SIGUSR2', () => void look().then(reload).then(readmit))
}

/** Accounts and rules as their files have them now; what is wrong with them is told, and changes nothing. */
async function changeAccess(target: RunningTarget, flags: ServeFlags): Promise<void> {
  const json = flags.json === true
  try {
    for (const change of await target.setAccess(await readAccess(flags))) {
      if (json)
        process.stdout.write(`${JSON.stringify({ event: 'access-changed', ...change })}
`)
      else
        process.stderr.write(`${change.initiator}: ${change.ended || 'it has other LUNs or rights now'}
`)
    }
  } catch (error) {
    tell({ type: 'warning', reason: describeError(error).message }, json)
  }
}

interface Served {
  /** Null until it is ready. */
  target: RunningTarget | null
}

/** SIGUSR1: who is logged in, and how much came and went. Taken from the start on: else Node opens its debugger for it. */
function reportOnSignal(served: Served, json: boolean): void {
  if (process.platform === 'win32') return
  process.on('SIGUSR1', async () => {
    const sessions = served.target?.sessions() ?? []
    const logins = served.target?.logins() ?? []
    if (json) {
      const lines = [
        ...sessions.map(session => ({ event: 'session', ...session })),
        ...logins.map(one => ({ event: 'logins', ...one })),
      ]
      for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`)
      return
    }
    const { listSessions } = await import('../session-listing.ts')
    process.stderr.write(listSessions(sessions, logins, Date.now()))
  })
}

/** Resolves when a signal has been answered by a drained, closed target. A second signal ends at once. */
function stopOnSignal(target: RunningTarget, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0
    const stop = (): void => {
      if (++signals > 1) process.exit(ExitCode.interrupted)
      setTimeout(() => {
        process.stderr.write('lunkit: A store did not finish its requests in time; they are given up\n')
        process.exit(ExitCode.failed)
      }, graceMs + LATE_MS).unref()
      target.close({ graceMs }).then(resolve, reject)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
    if (process.env['npm_command'] !== undefined) stopWithParent(stop)
  })
}

/** npm does not pass SIGTERM on to what it runs; under it, the target ends when its parent is gone. */
function stopWithParent(stop: () => void): void {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    stop()
  }, 500)
  watch.unref()
}
