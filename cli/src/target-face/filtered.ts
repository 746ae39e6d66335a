// SPDX-License-Identifier: Apache-2.0
// A filter in front of a LUN, as a program asks for it.
import { OperatorError } from '@lunkit/target-api'
import { keysOf, type LunSpec } from './lun-spec.ts'
import { type LunSource, toSpec } from './open-lun.ts'

/** The LUN behind this filter and those that it is behind already. The filter's keys are its own: no other layer takes them. */
export function filtered(
  name: string,
  lun: LunSource,
  options: Readonly<Record<string, string | number | boolean | undefined>>,
): LunSpec {
  const spec = toSpec(lun, 'storage object')
  if (spec.store === null || spec.filters?.includes(name) === true) {
    throw new OperatorError('LUN_ARGUMENT', `'${spec.label}' cannot be behind the filter '${name}'`, {
      hint: spec.store === null ? 'it has no store' : 'it is behind it already',
    })
  }
  const own = Object.entries(keysOf(options)).map(([key, text]) => [`${name}.${key}`, text])
  return {
    ...spec,
    filters: [name, ...(spec.filters ?? [])],
    keys: { ...spec.keys, ...Object.fromEntries(own) },
    label: `${name}:${spec.label}`,
  }
}
