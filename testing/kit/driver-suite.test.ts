// SPDX-License-Identifier: Apache-2.0
// The iSCSI driver holds to the contract of a driver, with lunkit's own initiator on the other end of a cuttable wire.
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import { ManagementFunction, ManagementResponse } from '@lunkit/target-api'
import { driver } from '@lunkit/target-driver-iscsi'
import { driverSuite, type ScriptedInitiator } from './driver-suite.ts'

const FUNCTIONS = {
  [ManagementFunction.abortTaskSet]: 'abort-task-set',
  [ManagementFunction.clearAca]: 'clear-aca',
  [ManagementFunction.logicalUnitReset]: 'logical-unit-reset',
} as const

const RESPONSES = {
  complete: ManagementResponse.complete,
  'no-such-task': ManagementResponse.taskDoesNotExist,
  'no-such-lun': ManagementResponse.lunDoesNotExist,
  unsupported: ManagementResponse.notSupported,
  rejected: ManagementResponse.rejected,
} as const

/** Passes bytes on until it is cut. */
class Wire {
  readonly #server: Server
  readonly #ends = new Set<Socket>()
  constructor(port: number) {
    this.#server = createServer(near => {
      const far = dial(port, '127.0.0.1')
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#ends.add(one)
        one.setNoDelay(true)
        one.on('error', () => {})
        one.on('close', () => other.destroy())
        one.pipe(other)
      }
    })
  }
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }
  cut(): void {
    for (const end of this.#ends) end.destroy()
    this.#server.close()
  }
}

async function open(port: number, target: string, initiatorName: string): Promise<ScriptedInitiator> {
  const wire = new Wire(port)
  const portal = `127.0.0.1:${await wire.listen()}`
  const session = await openSession({
    portal,
    target,
    initiatorName,
    reconnect: { attempts: 0, delays: [] },
    nopIntervalMs: 0,
  })
  return {
    async execute(command) {
      const { status, sense, dataIn, underflow, overflow } = await session.execute(command)
      return { status, sense, dataIn, residual: underflow - overflow }
    },
    async manage(fn, lun) {
      const action = FUNCTIONS[fn as keyof typeof FUNCTIONS]
      return RESPONSES[await session.manage(action, lun)]
    },
    async close() {
      wire.cut()
      await session.close()
    },
  }
}

driverSuite('iSCSI', async (engine, target) => {
  const port = await driver.start(engine, { portals: [{ host: '127.0.0.1', port: 0 }] })
  const initiators: ScriptedInitiator[] = []
  return {
    async connect(name) {
      const initiator = await open(port.portals[0]!.port, target, name)
      initiators.push(initiator)
      return initiator
    },
    async stop() {
      await Promise.all(initiators.map(initiator => initiator.close()))
      await port.stop(1000)
    },
  }
})
