// SPDX-License-Identifier: Apache-2.0
// A target whose operator never rests: drains, redirects, messages, lost connections, rules and rehearsals at any time.
import { OperatorError, type TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { driver, type IscsiPort } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { StandInStore } from '../kit/stand-in-store.ts'
import { BLANK } from './content.ts'
import { BLOCKS } from './lun.ts'
import { Random } from './random.ts'

const TARGET = 'iqn.2026-11.org.example:unsteady'
const UNITS = 5
const IDENTITY = { vendor: 'LUNKIT', product: 'UNSTEADY', revision: '1' }
const VALUES = { block: 512, physical: 512, wce: true, readonly: false, removable: false, rotation: 1 }
/** All times are short, so that every one of them runs out now and then. */
const LIMITS = {
  loginTimeoutMs: 1500,
  dataTimeoutMs: 1000,
  responseTimeoutMs: 1500,
  replaceTimeoutMs: 500,
  time2RetainSeconds: 1,
  sendQueueBytes: 262_144,
  sessions: 48,
  pendingConnections: 24,
}

type Act = (port: IscsiPort, random: Random) => unknown

const ACTS: readonly Act[] = [
  ({ control }, random) => control.askLogout(random.range(0, 2)),
  ({ control }, random) => control.askNegotiation(random.range(0, 2)),
  ({ control }, random) => control.tellVendorEvent({ code: 7, data: random.bytes(random.range(0, 510)) }),
  ({ control }, random) => control.tellSense(random.range(0, 9), random.bytes(18)),
  ({ control }, random) => control.dropConnection(random.range(1, 4)),
  ({ control }, random) => control.drop({}, random.range(0, 2)),
  async ({ control }, random) => {
    await control.drain(random.range(0, 20) / 100)
    control.readmit()
  },
  async ({ control }, random) => {
    control.redirect({ to: ['127.0.0.1:1', '[::1]:2'], permanent: random.chance(0.5) })
    await pause(random.range(1, 60))
    control.redirect(null)
  },
  async ({ control }, random) => {
    const mode = random.pick(['silence', 'deaf', 'refuse', 'delay'] as const)
    const end = control.rehearse({ mode, ...(mode === 'delay' && { delayMs: random.range(1, 50) }) })
    await pause(random.range(1, 100))
    end()
  },
  async ({ access }, random) => {
    const rules = [{ initiators: random.pick([['*'], ['*1*'], ['nobody']]), readonly: random.chance(0.5) }]
    access.set({ access: random.chance(0.5) ? { '*': { rules } } : { [TARGET]: { initiators: ['*2*'] } } })
    await pause(random.range(1, 60))
    access.set({})
  },
  ({ watch }) => JSON.stringify([...watch.sessions()]),
  ({ access }) => access.explain({ initiator: 'iqn.2026-11.org.example:fuzz.1', address: '127.0.0.1' }),
  port => port.reloadCertificates(),
]

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

async function openPort(): Promise<{ engine: TargetEngine; port: IscsiPort }> {
  const observe = ({ type, ...event }: TargetEvent): void => print({ event: type, ...event })
  const engine = new TargetEngine({ observe, absent: await absent.open(null, {}) })
  const target = engine.addTarget({ name: TARGET, alias: '' })
  for (let lun = 0; lun < UNITS; lun++) {
    const store = new StandInStore({ size: BLOCKS * 512, later: lun % 2 === 0 })
    store.bytes.fill(BLANK)
    const naa = Uint8Array.of(0x30, 0, 0, 0, 0, 0, 1, lun)
    target.map(lun, engine.addUnit(await disk.open(store, VALUES), { ...IDENTITY, serial: `${lun}`, naa }))
  }
  const cert = process.env['FUZZ_TLS_CERT']
  const key = process.env['FUZZ_TLS_KEY']
  const portal = { host: '127.0.0.1', port: 0 }
  const portals =
    cert === undefined || key === undefined ? [portal] : [portal, { ...portal, tls: { cert, key } }]
  const nop = { intervalMs: 300, timeoutMs: 700 }
  return { engine, port: await driver.start(engine, { portals, limits: LIMITS, nop }) }
}

const random = new Random(Number(process.argv[2] ?? 1))
const { engine, port } = await openPort()
let going = true
process.once('SIGTERM', () => {
  going = false
})
const portals = port.portals.map(({ host, port: number }) => `${host}:${number}`)
print({ event: 'ready', portals, luns: [{ lun: 0, url: `iscsi://${portals[0]}/${TARGET}/0` }] })
while (going) {
  try {
    await random.pick(ACTS)(port, random)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    console.error(error)
  }
  await pause(random.range(1, 100))
}
await port.stop(100)
await engine.close()
