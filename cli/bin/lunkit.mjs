#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `lunkit` command of this tree: keeps what the compiler made of the sources beside what npm has installed.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

// Stripping types is most of a start; this file has none, or its own would have to be stripped each time. Who can write
// to the folder can write to the sources, too.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/lunkit'))
await import('../src/main.ts')
