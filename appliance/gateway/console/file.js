// The text of a chosen file goes into the field, where whoever hands it in sees it first. Without this the file is sent as it is.

const chosen = document.getElementById('note-file');
chosen.addEventListener('change', async () => {
	if (chosen.files.length)
		document.getElementById('note').value = await chosen.files[0].text();
});
