// SPDX-License-Identifier: Apache-2.0
// Preloaded by loads.test.ts: writes the URL of every module that the process loads to a file.
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const trace = process.env['LUNKIT_LOAD_TRACE']
if (trace !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      appendFileSync(trace, `${url}\n`)
      return nextLoad(url, context)
    },
  })
}
