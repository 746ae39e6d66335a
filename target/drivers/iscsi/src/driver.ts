// SPDX-License-Identifier: Apache-2.0
// The iSCSI target driver: options checked, portals opened, a port for the engine.
import type { Engine, TargetDriver, TargetPort } from '@lunkit/target-api'
import { type PortAccess, portTables } from './access/port-access.ts'
import type { PortControl } from './control/control.ts'
import { builtInChecksum } from './digest.ts'
import type { Handed, Reception } from './handover/options.ts'
import type { PortWatch } from './observe/port-watch.ts'
import { type IscsiOptions, type Portal, settle } from './options.ts'
import { IscsiTargetPort } from './port.ts'
import { type Listener, listen } from './portal.ts'

/** The port that `start` gives, with what only iSCSI has. */
export interface IscsiPort extends TargetPort {
  /** Addresses that are listened on, with the ports that were picked. */
  readonly portals: readonly Portal[]
  /** Who may see and use what: explained, and replaced while sessions are in place. */
  readonly access: Pick<PortAccess, 'explain' | 'set'>
  /** Messages to initiators, drains, redirects. */
  readonly control: PortControl
  /** Sessions, and connections that have not logged in. */
  readonly connections: { readonly sessions: number; readonly pending: number }
  /** Reads the certificates of its TLS portals anew. Rejects with OperatorError; then that portal keeps what it had. */
  reloadCertificates(): Promise<void>
  /** Its sessions and logins, with counters. */
  readonly watch: Pick<PortWatch, 'sessions' | 'logins'>
  /** Where it listens and who hears of its logins: for ports that are handed connections by it. */
  readonly reception: Reception
  /** Takes a connection that another port has met. */
  take(handed: Handed): void
}

export interface IscsiDriver extends TargetDriver<IscsiOptions> {
  start(engine: Engine, options: IscsiOptions): Promise<IscsiPort>
}

/** Serves the engine's targets over TCP. Rejects with OperatorError: bad options, or a portal that cannot be opened. */
export const driver: IscsiDriver = Object.freeze({
  apiVersion: 1,
  name: 'iscsi',
  async start(engine: Engine, options: IscsiOptions): Promise<IscsiPort> {
    const warn = (reason: string): void => engine.observe({ type: 'warning', reason })
    const settings = settle(options, warn, portTables(engine))
    const port = new IscsiTargetPort(engine, settings, options.crc32c ?? builtInChecksum)
    if (settings.reception !== null) {
      for (const listener of settings.reception.listeners) port.listen({ ...listener, close: async () => {} })
      engine.openPort(port)
      return port
    }
    const both = settings.portals.some(portal => portal.host === '0.0.0.0')
    const opened: Listener[] = []
    try {
      for (const portal of settings.portals) {
        const only6 = portal.host === '::' && both
        opened.push(await listen(portal, only6, (socket, tls) => port.accept(socket, tls), warn))
      }
    } catch (error) {
      await Promise.all(opened.map(listener => listener.close()))
      throw error
    }
    for (const listener of opened) port.listen(listener)
    engine.openPort(port)
    return port
  },
})
