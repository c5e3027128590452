for(const e of document.querySelectorAll("[data-due]"))
if(!e.dataset.due||Date.now()>Date.parse(e.dataset.due))e.hidden=false
