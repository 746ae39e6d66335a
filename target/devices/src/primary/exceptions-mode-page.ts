// SPDX-License-Identifier: Apache-2.0
// Mode page 1Ch: how informational exceptions are told, in the ways that every device type has.
import { EXCEPTIONS, ModeCode } from '@lunkit/spec'
import { Mrie } from './informational-exceptions.ts'
import { type ModePageRow, modePage } from './mode-pages.ts'

export const exceptionsModePage: ModePageRow = modePage(
  ModeCode.exceptions,
  0,
  EXCEPTIONS,
  () => ({ mrie: Mrie.onRequest }),
  {
    changeable: () => ['ewasc', 'dexcpt', 'test', 'mrie', 'interval', 'reportCount'],
    values: { mrie: Object.values(Mrie) },
    unsaved: ['test'],
    // SPC-4: an exception that is not to be reported cannot be tested.
    check: page => {
      const { dexcpt, test } = EXCEPTIONS.field
      return dexcpt.get(page, 0) === 1 && test.get(page, 0) === 1 ? test : null
    },
  },
)
