// SPDX-License-Identifier: Apache-2.0
// What an operator can see of a port: its sessions and logins.
import type { IscsiTargetPort } from '../port.ts'
import { LoginCounters, type LoginReport } from './login-counters.ts'
import { reportSession, type SessionReport } from './session-report.ts'

export class PortWatch {
  readonly counters: LoginCounters = new LoginCounters()
  readonly #port: IscsiTargetPort

  constructor(port: IscsiTargetPort) {
    this.#port = port
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
