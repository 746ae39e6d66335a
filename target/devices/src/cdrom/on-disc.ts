// SPDX-License-Identifier: Apache-2.0
// Commands that have to do with the disc: an operator may have opened the tray since the engine admitted them.
import type { Command, FieldRows } from '@lunkit/spec'
import { type Binding, type BindingOptions, fail, on, type Task } from '@lunkit/target-api'
import type { Disc } from './disc.ts'
import type { Drive } from './drive.ts'

/** Binds a command row to what it does with the disc in the drive. */
export function onDisc<const R extends FieldRows>(
  command: Command<R>,
  run: (task: Task, disc: Disc) => void,
  options: BindingOptions<Drive, keyof R & string> = {},
): Binding {
  return on(
    command,
    (task: Task, { disc, notReady }: Drive) => (disc === null ? fail(task, notReady!) : run(task, disc)),
    options,
  )
}
