// SPDX-License-Identifier: Apache-2.0
// Where `lunkit serve` keeps what has to outlive it, if nobody says otherwise.
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** $XDG_STATE_HOME/lunkit, or ~/.local/state/lunkit (XDG Base Directory Specification). Made when something is saved. */
export function defaultStateFolder(): string {
  const given = process.env['XDG_STATE_HOME'] ?? ''
  return join(isAbsolute(given) ? given : join(homedir(), '.local', 'state'), 'lunkit')
}
