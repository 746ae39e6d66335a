// SPDX-License-Identifier: Apache-2.0
// Commands in the pages can be typed as they stand: every flag of every `lunkit` line, and every key of every LUN in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { build as buildOne } from '../cli/src/commands/serve.ts'
import { parseConfig } from '../cli/src/run/config-file.ts'
import { parseLun } from '../cli/src/target-face/lun-spec.ts'
import { checkLun } from '../cli/src/target-face/resolve-lun.ts'
import { files, read } from './sources.ts'

interface Line {
  readonly page: string
  readonly words: readonly string[]
}

const pages = files('.md').filter(page => page !== 'CHANGELOG.md')
const FENCES = /```(?:\w*)\n([\s\S]*?)```/g

/** What a shell makes of a line: quotes are gone, comments, redirections and what follows `;`, `&` or `|` too. */
function shellWords(line: string): string[] {
  const words: string[] = []
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+/g)) {
    if (/^(#|[;&|<>])/.test(word)) break
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"|\\(.)/g, (_, ...found) => found.slice(0, 3).join('')))
    if (word.endsWith(';')) break
  }
  return words.map(word => word.replace(/;$/, ''))
}

/** Every line of a block, or of an indented one, that starts `lunkit`. */
function commandLines(page: string): Line[] {
  const text = read(page)
  const blocks = [...text.matchAll(FENCES)].map(match => match[1]!)
  const indented = text.replaceAll(FENCES, '').match(/^ {4}.*$/gm) ?? []
  const lines = [...blocks.join('\n').replaceAll('\\\n', ' ').split('\n'), ...indented]
  return lines.flatMap(line => {
    const [, command] = /^(?:.*; )?\s*(?:[A-Z_]+=\S+ )?(?:npx )?(lunkit [a-z].*)$/.exec(line) ?? []
    // A list of commands, as in a drawing, is none.
    return command === undefined || /^lunkit \w+,/.test(command) ? [] : [{ page, words: shellWords(command) }]
  })
}

test('every flag and every LUN of every command in the pages is taken', async () => {
  const lines = pages.flatMap(commandLines)
  assert.ok(lines.length > 60, `only ${lines.length} commands were seen`)
  const wrong: string[] = []
  for (const { page, words } of lines) {
    const [, name = '', ...rest] = words
    if (name === 'help') continue
    try {
      const { build } = (await import(`../cli/src/commands/${name}.ts`)) as { build: typeof buildOne }
      const command = build()
        .exitOverride()
        .configureOutput({ writeErr: () => undefined })
      let luns: readonly string[] = []
      if (command.commands.length === 0)
        command.action((given: unknown) => void (luns = [given].flat() as []))
      else for (const one of command.commands) one.exitOverride().action(() => undefined)
      await command.parseAsync(rest, { from: 'user' })
      if (name === 'serve') for (const lun of luns) await checkLun(parseLun(lun))
    } catch (error) {
      wrong.push(`${page}: ${words.join(' ')}: ${(error as Error).message}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('every file for lunkit run in the pages is one', async () => {
  let seen = 0
  for (const page of pages) {
    for (const [, text] of read(page).matchAll(/```yaml\n([\s\S]*?)```/g)) {
      seen++
      const { targets } = await parseConfig(text!, page)
      for (const { luns } of targets)
        for (const lun of luns) await checkLun(typeof lun === 'string' ? parseLun(lun) : lun)
    }
  }
  assert.ok(seen >= 2, `only ${seen} were seen`)
})
