// What every case of console.mjs shares: a browser that comes in by the link once, and watches what its pages do.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const need = createRequire(path.join(process.env.KEEP_MODULES, 'x.js'));
const { chromium } = need('playwright-core');
const axe = fs.readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');

export class Keep {
	constructor(url, link, shots) {
		Object.assign(this, { url, link, shots, faults: [], requests: 0 });
	}

	async begin() {
		this.browser = await chromium.launch({
			executablePath: process.env.CHROMIUM,
			args: ['--disable-gpu', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
		});
		this.context = await this.open({});
		const page = await this.page();
		await page.goto(this.link);
		await page.getByRole('button', { name: 'Open the console' }).click();
		await page.waitForURL(`${this.url}/console`);
		this.cookies = await this.context.cookies();
		await page.close();
	}

	async open(options) {
		const context = await this.browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
		context.setDefaultTimeout(120_000); // a machine may have other things to do
		if (this.cookies)
			await context.addCookies(this.cookies);
		return context;
	}

	// A page whose every request, error and word on the console is looked at; what must not be stands in this.faults.
	async page(context = this.context) {
		const page = await context.newPage();
		page.on('console', (m) => ['error', 'warning'].includes(m.type()) && this.fault(page, `the browser's console says: ${m.text()}`));
		page.on('pageerror', (e) => this.fault(page, `a script failed: ${e.message}`));
		page.on('request', (r) => {
			this.requests++;
			if (!r.url().startsWith(`${this.url}/console`))
				this.fault(page, `asks for ${r.url()}`);
		});
		page.on('response', async (r) => {
			const peer = await r.serverAddr().catch(() => null);
			if (peer && !['127.0.0.1', '::1'].includes(peer.ipAddress))
				this.fault(page, `was answered by ${peer.ipAddress}`);
		});
		return page;
	}

	fault(page, words) {
		if (this.faultsAllowed?.test(words))
			return;
		this.faults.push(`${page.url().replace(this.url, '')}: ${words}`);
	}

	// WCAG 2.2 A and AA as axe-core tests them: names, labels, structure, contrast of 4.5 and more.
	async accessible(page, rules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }) {
		await page.evaluate(axe);
		const { violations } = await page.evaluate((how) => globalThis.axe.run(document, how), rules);
		for (const v of violations)
			this.fault(page, `axe: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`);
	}

	// Light, dark, narrow, and on paper; nothing is wider than a narrow window.
	async shoot(page, name) {
		const looks = [
			['light', { colorScheme: 'light', media: 'screen' }, 1280], ['dark', { colorScheme: 'dark', media: 'screen' }, 1280],
			['narrow', { colorScheme: 'light', media: 'screen' }, 390], ['print', { colorScheme: 'light', media: 'print' }, 800],
		];
		for (const [look, media, width] of looks) {
			await page.emulateMedia(media);
			await page.setViewportSize({ width, height: 900 });
			if (look === 'dark')
				await this.accessible(page, { runOnly: { type: 'rule', values: ['color-contrast'] } });
			const wide = await page.evaluate(() => document.documentElement.scrollWidth);
			if (wide > width)
				this.fault(page, `is ${wide} pixels wide in a window of ${width}`);
			await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
			await page.screenshot({ path: path.join(this.shots, `${name}-${look}.png`), fullPage: true });
		}
		await page.emulateMedia({ colorScheme: 'light', media: 'screen' });
		await page.setViewportSize({ width: 1280, height: 900 });
	}

	async end() {
		await this.browser.close();
	}
}
