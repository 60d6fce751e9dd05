document.title = 'a script of the site';
