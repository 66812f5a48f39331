#define _GNU_SOURCE
#include "cli/qr.h"
#include "audit/tlog/parts.h"
#include "base/fd.h"
#include "cli/file.h"

#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 4	    /* modules of margin, as the standard wants */
#define SCALE 6u    /* pixels of a module */
#define ROOM  2331u /* bytes of the largest code at level M */

static QRcode *encode(const void *data, size_t len, int *ret)
{
	QRcode *q = len && len <= INT32_MAX ? QRcode_encodeData((int)len, data, 0, QR_ECLEVEL_M) : NULL;
	if (!q)
		*ret = errno == ENOMEM ? out_fail(CLI_UNDECIDED, "%s", strerror(ENOMEM))
				       : out_fail(CLI_REFUSED, "%zu bytes: more than a QR code holds", len);
	return q;
}

static bool dark(const QRcode *q, int x, int y)
{
	x -= QUIET;
	y -= QUIET;
	return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1);
}

/* Each code of the data to fn, until it does not return CLI_DONE. */
static int each_code(const void *data, size_t len, int (*fn)(const QRcode *q, u32 k, u32 n, const char *path),
	const char *path)
{
	u32 n = tlog_parts_count(len, ROOM);
	char part[ROOM];
	int r = CLI_DONE;
	if (n > PARTS_MAX)
		return out_fail(CLI_REFUSED, "%zu bytes: more than %u QR codes hold", len, PARTS_MAX);
	for (u32 k = 1; k <= n && r == CLI_DONE; k++) {
		size_t part_len = n > 1 ? tlog_part_write(data, len, k, n, part, sizeof part) : len;
		QRcode *q = encode(n > 1 ? part : data, part_len, &r);
		if (q)
			r = fn(q, k, n, path);
		QRcode_free(q);
	}
	return r;
}

static int print_one(const QRcode *q, u32 k, u32 n, const char *path)
{
	/* upper and lower half of a character cell: printed is light */
	static const char *const cell[] = { "\xe2\x96\x88", "\xe2\x96\x84", "\xe2\x96\x80", " " };
	if (n > 1)
		printf("%u of %u\n", k, n);
	for (int y = 0; y < q->width + 2 * QUIET; y += 2) {
		if (out_tty(1))
			fputs("\033[97;40m", stdout); /* light on dark, so that printed is light */
		for (int x = 0; x < q->width + 2 * QUIET; x++)
			fputs(cell[dark(q, x, y) + 2 * dark(q, x, y + 1)], stdout);
		puts(out_tty(1) ? "\033[0m" : "");
	}
	return CLI_DONE;
}

int qr_print(const void *data, size_t len)
{
	return each_code(data, len, print_one, NULL);
}

static int write_png(const QRcode *q, const char *path)
{
	u32 width = SCALE * (u32)(q->width + 2 * QUIET);
	png_image image = {
		.version = PNG_IMAGE_VERSION, .width = width, .height = width, .format = PNG_FORMAT_GRAY
	};
	png_alloc_size_t size = 0;
	_cleanup_free_ u8 *pixels = malloc((size_t)width * width), *file = NULL;
	for (u32 i = 0; pixels && i < width * width; i++)
		pixels[i] = dark(q, (int)(i % width / SCALE), (int)(i / width / SCALE)) ? 0 : 255;
	if (pixels && png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL))
		file = malloc(size);
	if (!file || !png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL))
		return out_fail(CLI_UNDECIDED, "%s: the picture could not be made", path);
	return file_write(path, file, size);
}

static int png_one(const QRcode *q, u32 k, u32 n, const char *path)
{
	_cleanup_free_ char *numbered = NULL;
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	int stem = dot ? (int)(dot - path) : (int)strlen(path);
	if (n == 1)
		return write_png(q, path);
	if (asprintf(&numbered, "%.*s-%u%s", stem, path, k, dot ? dot : "") < 0)
		return out_fail(CLI_UNDECIDED, "%s", strerror(ENOMEM));
	return write_png(q, numbered);
}

int qr_png(const void *data, size_t len, const char *path)
{
	return each_code(data, len, png_one, path);
}
