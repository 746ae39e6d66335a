// SPDX-License-Identifier: Apache-2.0
// The contract of a filter: a store made of another one, so that filters stack.
import type { BackingStore } from './backing-store.ts'
import type { ParameterTable, ParameterValues } from './parameters.ts'

/** A kind of filter. One value per plug-in, stateless. */
export interface FilterType {
  readonly apiVersion: 1
  readonly name: string
  /** None is filled by an argument: that names what is below. */
  readonly parameters: ParameterTable
  /**
   * The store `below`, seen through this filter, which closes it in its own `close`. Rejects with OperatorError if values and
   * store do not fit each other, and has not closed it then.
   */
  open(below: BackingStore, values: ParameterValues): Promise<BackingStore>
}
