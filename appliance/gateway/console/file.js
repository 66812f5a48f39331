// A signed note may come as a file: its text goes into the field, where whoever hands it in sees it first.

const chosen = document.getElementById('note-file');
chosen.closest('.file').hidden = false;
chosen.addEventListener('change', async () => {
	if (chosen.files.length)
		document.getElementById('note').value = await chosen.files[0].text();
});
