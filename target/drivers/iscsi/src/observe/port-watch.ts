// SPDX-License-Identifier: Apache-2.0
// What an operator can see of a port: its sessions and logins, what lasts too long, and what goes by.
import type { Connection } from '../connection.ts'
import type { IscsiTargetPort } from '../port.ts'
import { ConnectionTrace } from './connection-trace.ts'
import { LoginCounters, type LoginReport } from './login-counters.ts'
import { reportSession, type SessionReport } from './session-report.ts'
import { Watchdog } from './watchdog.ts'

export class PortWatch {
  readonly counters: LoginCounters = new LoginCounters()
  readonly dog: Watchdog
  readonly #port: IscsiTargetPort

  constructor(port: IscsiTargetPort) {
    this.#port = port
    this.dog = new Watchdog(port)
  }

  /** Null where nobody wants to see PDUs. */
  traceOf(connection: Connection): ConnectionTrace | null {
    const { trace } = this.#port.settings
    return trace === null ? null : new ConnectionTrace(connection, trace)
  }

  /** All sessions as they are now, by TSIH: copies that stay as they are. */
  sessions(): readonly SessionReport[] {
    return [...this.#port.sessions.values()].map(reportSession).sort((a, b) => a.tsih - b.tsih)
  }

  /** What became of all logins since the port was opened. */
  logins(): LoginReport {
    return this.counters.report(this.#port.settings.tpgt)
  }
}
