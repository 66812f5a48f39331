#define _GNU_SOURCE
#include "cli/qr.h"
#include "base/fd.h"
#include "cli/file.h"

#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 4	 /* modules of margin, as the standard wants */
#define SCALE 6u /* pixels of a module */

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

int qr_print(const void *data, size_t len)
{
	/* upper and lower half of a character cell: printed is light */
	static const char *const cell[] = { "\xe2\x96\x88", "\xe2\x96\x84", "\xe2\x96\x80", " " };
	int r = CLI_DONE;
	QRcode *q = encode(data, len, &r);
	if (!q)
		return r;
	for (int y = 0; y < q->width + 2 * QUIET; y += 2) {
		if (out_tty(1))
			fputs("\033[97;40m", stdout); /* light on dark, so that printed is light */
		for (int x = 0; x < q->width + 2 * QUIET; x++)
			fputs(cell[dark(q, x, y) + 2 * dark(q, x, y + 1)], stdout);
		puts(out_tty(1) ? "\033[0m" : "");
	}
	QRcode_free(q);
	return CLI_DONE;
}

int qr_png(const void *data, size_t len, const char *path)
{
	int r = CLI_DONE;
	QRcode *q = encode(data, len, &r);
	if (!q)
		return r;
	u32 width = SCALE * (u32)(q->width + 2 * QUIET);
	png_image image = {
		.version = PNG_IMAGE_VERSION, .width = width, .height = width, .format = PNG_FORMAT_GRAY
	};
	png_alloc_size_t size = 0;
	_cleanup_free_ u8 *pixels = malloc((size_t)width * width), *file = NULL;
	for (u32 i = 0; pixels && i < width * width; i++)
		pixels[i] = dark(q, (int)(i % width / SCALE), (int)(i / width / SCALE)) ? 0 : 255;
	QRcode_free(q);
	if (pixels && png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL))
		file = malloc(size);
	if (!file || !png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL))
		return out_fail(CLI_UNDECIDED, "%s: the picture could not be made", path);
	return file_write(path, file, size);
}
